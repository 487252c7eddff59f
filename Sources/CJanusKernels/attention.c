#include "attention.h"
#include "JanusPacked.h"

// The scalar twin: what every other version must equal bit for bit.

void janus_scores_scalar(const uint16_t *q, size_t queries, const uint16_t *keys, size_t tiles, size_t padded,
                         tiles_ahead ahead, float *scores) {
    (void)ahead;
    for (size_t m = 0; m < queries; m++)
        for (size_t position = 0; position < tiles * tile; position++) {
            const uint16_t *key = keys + position / tile * tile * padded + position % tile * 2;
            float sum = 0;
            for (size_t i = 0; i < padded; i += 2) sum = add_pair(sum, q + m * padded + i, key + i * tile);
            scores[m * block + position] = sum;
        }
}

void janus_mix_scalar(const uint16_t *weights, size_t queries, const uint16_t *values, size_t tiles, size_t padded,
                      tiles_ahead ahead, float *sums) {
    (void)ahead;
    for (size_t m = 0; m < queries; m++)
        for (size_t i = 0; i < padded; i++) {
            float sum = flushed(sums[m * head_max + i]);
            for (size_t position = 0; position < tiles * tile; position += 2)
                sum = add_pair(sum, weights + m * block + position, values + position * padded + 2 * i);
            sums[m * head_max + i] = sum;
        }
}

// Tiles that are fetched before they are read: the memory's latency at its full rate.
enum { tiles_before = 4 };

// What is known of each query's softmax so far.
struct running {
    float greatest[queries_max];
    lanes_f32 totals[queries_max]; // of the weights, lane by lane
};

// Scores of a block become weights; `seen` of the block's positions are the query's, the others get 0.
JANUS_INLINE void weigh(float *scores, size_t positions, size_t seen, float scale, float *greatest, lanes_f32 *totals,
                        uint16_t *weights, float *sums, size_t padded) {
    for (size_t i = seen; i < positions; i++) scores[i] = -__builtin_inff();
    float maxima[lanes];
    for (int j = 0; j < lanes; j++) maxima[j] = *greatest;
    for (size_t i = 0; i < positions; i += lanes)
        for (int j = 0; j < lanes; j++) {
            float value = scores[i + (size_t)j] * scale;
            maxima[j] = value > maxima[j] ? value : maxima[j];
        }
    float maximum = maxima[0];
    for (int j = 1; j < lanes; j++) maximum = maxima[j] > maximum ? maxima[j] : maximum;
    if (maximum > *greatest) {
        float factor = exp_f32(*greatest - maximum);
        *totals *= factor;
        for (size_t i = 0; i < padded; i++) sums[i] *= factor;
        *greatest = maximum;
    }
    lanes_f32 total = *totals;
    for (size_t i = 0; i < positions; i += lanes) {
        float rounded[lanes];
        for (int j = 0; j < lanes; j++) {
            float x = scores[i + (size_t)j] * scale - maximum;
            float power = exp_f32(x);
            power = x < -87.0f ? 0.0f : power; // no denormals
            uint16_t half = bf16_of(power);
            weights[i + (size_t)j] = half;
            rounded[j] = float_of((uint32_t)half << 16);
        }
        total += LOAD16(rounded);
    }
    *totals = total;
}

JANUS_KERNEL void janus_attention_weights(float *scores, size_t queries, size_t positions, size_t seen, size_t step,
                                          float scale, struct running *state, uint16_t *weights, float *sums,
                                          size_t padded) {
    for (size_t m = 0; m < queries; m++) {
        size_t own = seen + m * step < positions ? seen + m * step : positions;
        weigh(scores + m * block, positions, own, scale, state->greatest + m, state->totals + m, weights + m * block,
              sums + m * head_max, padded);
    }
}

// 0 is added so that a zero has no sign: it could come from positions that are not seen.
JANUS_KERNEL void janus_attention_result(const struct running *state, const float *sums, size_t queries, size_t size,
                                         float *out, size_t out_stride) {
    for (size_t m = 0; m < queries; m++) {
        float total;
        SUM16(state->totals[m], total);
        float factor = 1.0f / total;
        for (size_t i = 0; i < size; i++) out[m * out_stride + i] = sums[m * head_max + i] * factor + 0.0f;
    }
}

// The i-th tile of a head when its keys are read before its values.
JANUS_INLINE const uint16_t *tile_of(struct janus_tiles tiles, size_t count, size_t i, size_t padded) {
    return i < count ? tiles.keys + i * tile * padded : tiles.values + (i - count) * tile * padded;
}

// Fills `ahead` for the tiles of a block that starts at tile `first`: its keys if `done` is 0, its values if it is
// `length`. A block's keys are read, then its values, then the next block's, and after the last one the next head's.
JANUS_INLINE void look_ahead(struct janus_tiles own, size_t count, size_t first, size_t length, size_t done,
                             struct janus_tiles next, size_t next_count, size_t padded, const uint16_t **ahead) {
    for (size_t t = 0; t < length; t++) {
        size_t i = done + t + tiles_before;
        if (i < length) ahead[t] = own.keys + (first + i) * tile * padded;
        else if (i < 2 * length) ahead[t] = own.values + (first + i - length) * tile * padded;
        else if (first + length < count) ahead[t] = own.keys + (first + i - length) * tile * padded;
        else ahead[t] = tile_of(next, next_count, i - 2 * length, padded);
    }
}

void janus_tiles_attend(int isa, const float *queries, size_t stride, size_t count, size_t seen, size_t step,
                        size_t size, size_t padded, float scale, struct janus_tiles own, struct janus_tiles next,
                        size_t next_seen, float *out, size_t out_stride) {
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
    _Alignas(64) uint16_t q[queries_max * head_max];
    _Alignas(64) float scores[queries_max * block];
    _Alignas(64) uint16_t weights[queries_max * block];
    _Alignas(64) float sums[queries_max * head_max];
    struct running state;
    for (size_t m = 0; m < count; m++) {
        janus_bf16_from_f32(queries + m * stride, q + m * padded, size);
        memset(q + m * padded + size, 0, (padded - size) * sizeof *q);
        state.greatest[m] = -__builtin_inff();
        state.totals[m] = (lanes_f32){0};
        memset(sums + m * head_max, 0, padded * sizeof *sums);
    }
    size_t tiles = (seen + tile - 1) / tile, next_tiles = (next_seen + tile - 1) / tile;
    const uint16_t *ahead[block_tiles];
    for (size_t first = 0; first < tiles; first += block_tiles) {
        size_t length = tiles - first < block_tiles ? tiles - first : block_tiles;
        look_ahead(own, tiles, first, length, 0, next, next_tiles, padded, ahead);
        score(q, count, own.keys + first * tile * padded, length, padded, ahead, scores);
        janus_attention_weights(scores, count, length * tile, seen - first * tile, step, scale, &state, weights, sums,
                                padded);
        look_ahead(own, tiles, first, length, length, next, next_tiles, padded, ahead);
        mix(weights, count, own.values + first * tile * padded, length, padded, ahead, sums);
    }
    janus_attention_result(&state, sums, count, size, out, out_stride);
}
