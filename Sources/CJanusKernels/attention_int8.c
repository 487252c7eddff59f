#include "attention.h"

// The scalar twins: what every other version must equal.

void janus_int8_scores_scalar(const int8_t *q, const int32_t *starts, size_t queries, tile_list tiles, size_t count,
                              size_t padded, int32_t *scores) {
    for (size_t m = 0; m < queries; m++)
        for (size_t position = 0; position < count * tile; position++) {
            const uint8_t *key = (const uint8_t *)tiles[position / tile] + position % tile * 4;
            int32_t sum = starts[m];
            for (size_t i = 0; i < padded; i++) sum += key[i / 4 * 4 * tile + i % 4] * q[m * padded + i];
            scores[m * block + position] = sum;
        }
}

void janus_int8_mix_scalar(const uint8_t *weights, size_t rows, tile_list tiles, size_t count, size_t padded,
                           int32_t *products) {
    for (size_t m = 0; m < rows; m++)
        for (size_t i = 0; i < padded; i++) {
            int32_t sum = 0;
            for (size_t position = 0; position < count * tile; position++) {
                size_t p = position % tile;
                const int8_t *values = (const int8_t *)tiles[position / tile] + p / 4 * 4 * padded + p % 4;
                sum += weights[m * block + position] * values[4 * i];
            }
            products[m * padded + i] = sum;
        }
}

// A block's weights are whole steps: with 127 and 256 positions the sum of all products is less than 2^31.
static const float steps_max = 65535.0f;

// Scores of a block become weights times their values' scales, in steps; returns the step. `seen` of the positions are the
// query's, the others get 0.
JANUS_INLINE float weigh(const int32_t *scores, tile_list tiles, size_t count, size_t seen, float query_scale,
                         float *greatest, lanes_f32 *totals, uint8_t *weights, float *sums, size_t padded) {
    _Alignas(64) float values[block];
    for (size_t t = 0; t < count; t++) {
        const float *scales = tile_scales(tiles[t], padded);
        for (size_t j = 0; j < tile; j++) values[t * tile + j] = (float)scores[t * tile + j] * (scales[j] * query_scale);
    }
    size_t positions = count * tile;
    for (size_t i = seen; i < positions; i++) values[i] = -__builtin_inff();
    float maximum = raise_greatest(values, positions, 1, greatest, totals, sums, padded);
    lanes_f32 total = *totals;
    for (size_t t = 0; t < count; t++) {
        const float *scales = tile_scales(tiles[count + t], padded);
        float powers[tile];
        for (size_t j = 0; j < tile; j++) {
            powers[j] = weight_of(values[t * tile + j], maximum);
            values[t * tile + j] = powers[j] * scales[j];
        }
        total += LOAD16(powers);
    }
    *totals = total;
    // whatever scales they have
    for (size_t i = seen; i < positions; i++) values[i] = 0;
    struct integer_scale step = scale_of(greatest_bits(values, positions), steps_max);
    for (size_t i = 0; i < positions; i++) {
        uint32_t weight = (uint32_t)nearest(values[i] * step.inverse);
        weights[i] = (uint8_t)(weight >> 8);
        weights[block + i] = (uint8_t)weight;
    }
    return step.scale;
}

JANUS_KERNEL static void int8_weights(const int32_t *scores, const struct queries *queries, const struct walk *walk,
                                      const float *query_scales, struct running *state, uint8_t *weights, float *steps,
                                      float *sums) {
    size_t positions = walk->length * tile, before = walk->first * tile;
    for (size_t m = 0; m < queries->count; m++) {
        size_t seen = queries->seen + m * queries->step - before;
        steps[m] = weigh(scores + m * block, walk->list, walk->length, seen < positions ? seen : positions,
                         query_scales[m], state->greatest + m, state->totals + m, weights + 2 * m * block,
                         sums + m * head_max, walk->layout->padded);
    }
}

// sums += products · step
JANUS_KERNEL static void add_products(const int32_t *products, const float *steps, size_t queries, size_t padded,
                                      float *sums) {
    for (size_t m = 0; m < queries; m++) {
        const int32_t *high = products + 2 * m * padded, *low = high + padded;
        for (size_t i = 0; i < padded; i++) sums[m * head_max + i] += (float)(high[i] * 256 + low[i]) * steps[m];
    }
}

// The sums as the values were before they were turned.
JANUS_KERNEL static void turn_back(float *sums, size_t queries, size_t padded) {
    float factor = 1.0f / (float)turn_length(padded);
    for (size_t m = 0; m < queries; m++, sums += head_max) {
        turn(sums, padded);
        for (size_t i = 0; i < padded; i++) sums[i] *= factor;
    }
}

// starts: −128 · Σ q
JANUS_KERNEL static void int8_queries(const struct queries *queries, size_t size, size_t padded, int8_t *q,
                                      float *scales, int32_t *starts) {
    for (size_t m = 0; m < queries->count; m++) {
        int32_t sum = 0;
        float scale = queries->scale / (float)turn_length(padded);
        scales[m] = int8_of(queries->values + m * queries->stride, size, padded, q + m * padded) * scale;
        for (size_t i = 0; i < padded; i++) sum += q[m * padded + i];
        starts[m] = -128 * sum;
    }
}

void janus_attend_int8(int isa, const struct queries *queries, struct walk *walk) {
    janus_int8_scores *score = janus_int8_scores_scalar;
    janus_int8_mix *mix = janus_int8_mix_scalar;
#if defined(__x86_64__)
    if (isa >= janus_isa_avx512_vnni) {
        score = janus_int8_scores_vnni;
        mix = janus_int8_mix_vnni;
    } else if (isa >= janus_isa_avx2) {
        score = janus_int8_scores_avx2;
        mix = janus_int8_mix_avx2;
    }
#elif defined(__aarch64__)
    if (isa == janus_isa_neon) {
        score = janus_int8_scores_neon;
        mix = janus_int8_mix_neon;
    }
#endif
    size_t size = walk->layout->size, padded = walk->layout->padded, count = queries->count;
    _Alignas(64) int8_t q[queries_max * head_max];
    _Alignas(64) int32_t scores[queries_max * block];
    _Alignas(64) uint8_t weights[2 * queries_max * block];
    _Alignas(64) int32_t products[2 * queries_max * head_max];
    _Alignas(64) float sums[queries_max * head_max];
    float scales[queries_max], steps[queries_max];
    int32_t starts[queries_max];
    struct running state;
    int8_queries(queries, size, padded, q, scales, starts);
    for (size_t m = 0; m < count; m++) {
        state.greatest[m] = -__builtin_inff();
        state.totals[m] = (lanes_f32){0};
        memset(sums + m * head_max, 0, padded * sizeof *sums);
    }
    while (janus_walk_on(walk)) {
        score(q, starts, count, walk->list, walk->length, padded, scores);
        int8_weights(scores, queries, walk, scales, &state, weights, steps, sums);
        mix(weights, 2 * count, walk->list + walk->length, walk->length, padded, products);
        add_products(products, steps, count, padded, sums);
    }
    turn_back(sums, count, padded);
    janus_attention_result(&state, sums, count, size, queries->out, queries->out_stride);
}
