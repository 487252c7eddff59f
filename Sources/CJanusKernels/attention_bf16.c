#include "attention.h"

// The scalar twin: what every other version must equal bit for bit.

void janus_scores_scalar(const uint16_t *q, size_t queries, tile_list tiles, size_t count, size_t padded,
                         float *scores) {
    for (size_t m = 0; m < queries; m++)
        for (size_t position = 0; position < count * tile; position++) {
            const uint16_t *key = (const uint16_t *)tiles[position / tile] + position % tile * 2;
            float sum = 0;
            for (size_t i = 0; i < padded; i += 2) sum = add_pair(sum, q + m * padded + i, key + i * tile);
            scores[m * block + position] = sum;
        }
}

void janus_mix_scalar(const uint16_t *weights, size_t queries, tile_list tiles, size_t count, size_t padded,
                      float *sums) {
    for (size_t m = 0; m < queries; m++)
        for (size_t i = 0; i < padded; i++) {
            float sum = flushed(sums[m * head_max + i]);
            for (size_t position = 0; position < count * tile; position += 2)
                sum = add_pair(sum, weights + m * block + position,
                               (const uint16_t *)tiles[position / tile] + position % tile * padded + 2 * i);
            sums[m * head_max + i] = sum;
        }
}

// Scores of a block become weights; `seen` of the block's positions are the query's, the others get 0.
JANUS_INLINE void weigh(float *scores, size_t positions, size_t seen, float scale, float *greatest, lanes_f32 *totals,
                        uint16_t *weights, float *sums, size_t padded) {
    for (size_t i = seen; i < positions; i++) scores[i] = -__builtin_inff();
    float maximum = raise_greatest(scores, positions, scale, greatest, totals, sums, padded);
    lanes_f32 total = *totals;
    for (size_t i = 0; i < positions; i += lanes) {
        float rounded[lanes];
        for (int j = 0; j < lanes; j++) {
            uint16_t half = bf16_of(weight_of(scores[i + (size_t)j] * scale, maximum));
            weights[i + (size_t)j] = half;
            rounded[j] = float_of((uint32_t)half << 16);
        }
        total += LOAD16(rounded);
    }
    *totals = total;
}

JANUS_KERNEL static void bf16_weights(float *scores, size_t queries, size_t positions, size_t seen, size_t step,
                                          float scale, struct running *state, uint16_t *weights, float *sums,
                                          size_t padded) {
    for (size_t m = 0; m < queries; m++) {
        size_t own = seen + m * step < positions ? seen + m * step : positions;
        weigh(scores + m * block, positions, own, scale, state->greatest + m, state->totals + m, weights + m * block,
              sums + m * head_max, padded);
    }
}

void janus_attend_bf16(int isa, const struct queries *queries, struct walk *walk) {
    janus_tile_scores *score = janus_scores_scalar;
    janus_tile_mix *mix = janus_mix_scalar;
#if defined(__x86_64__)
    if (isa >= janus_isa_avx512_bf16) {
        score = janus_scores_bf16;
        mix = janus_mix_bf16;
    } else if (isa >= janus_isa_avx2) {
        score = janus_scores_avx2;
        mix = janus_mix_avx2;
    }
#elif defined(__aarch64__)
    if (isa == janus_isa_neon) {
        score = janus_scores_neon;
        mix = janus_mix_neon;
    }
#endif
    size_t size = walk->layout->size, padded = walk->layout->padded, count = queries->count;
    _Alignas(64) uint16_t q[queries_max * head_max];
    _Alignas(64) float scores[queries_max * block];
    _Alignas(64) uint16_t weights[queries_max * block];
    _Alignas(64) float sums[queries_max * head_max];
    struct running state;
    for (size_t m = 0; m < count; m++) {
        janus_bf16_from_f32(queries->values + m * queries->stride, q + m * padded, size);
        memset(q + m * padded + size, 0, (padded - size) * sizeof *q);
        state.greatest[m] = -__builtin_inff();
        state.totals[m] = (lanes_f32){0};
        memset(sums + m * head_max, 0, padded * sizeof *sums);
    }
    while (janus_walk_on(walk)) {
        score(q, count, walk->list, walk->length, padded, scores);
        bf16_weights(scores, count, walk->length * tile, queries->seen - walk->first * tile, queries->step,
                     queries->scale, &state, weights, sums, padded);
        mix(weights, count, walk->list + walk->length, walk->length, padded, sums);
    }
    janus_attention_result(&state, sums, count, size, queries->out, queries->out_stride);
}
