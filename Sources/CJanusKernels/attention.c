#include "attention.h"
#include "JanusPacked.h"

// The scalar twin: what every other version must equal bit for bit.

void janus_scores_scalar(const uint16_t *q, size_t queries, tile_list tiles, size_t count, size_t padded,
                         float *scores) {
    for (size_t m = 0; m < queries; m++)
        for (size_t position = 0; position < count * tile; position++) {
            const uint16_t *key = tiles[position / tile] + position % tile * 2;
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
                               tiles[position / tile] + position % tile * padded + 2 * i);
            sums[m * head_max + i] = sum;
        }
}

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

// Lists tiles from block `first` on as they are read: a block's keys, then its values, then the next block's. Returns how
// many there are, at most `room`.
JANUS_INLINE size_t list_tiles(const struct janus_tile_layout *layout, struct janus_tiles tiles, size_t count,
                               size_t first, size_t room, const uint16_t **list) {
    size_t listed = 0;
    for (; first < count; first += block_tiles) {
        size_t last = count - first < block_tiles ? count : first + block_tiles;
        for (size_t t = first; t < last && listed < room; t++)
            list[listed++] = (const uint16_t *)key_tile(layout, tiles, t);
        for (size_t t = first; t < last && listed < room; t++)
            list[listed++] = (const uint16_t *)value_tile(layout, tiles, t);
        if (listed == room) break;
    }
    return listed;
}

void janus_tiles_attend(int isa, const struct janus_tile_layout *layout, const float *queries, size_t stride,
                        size_t count, size_t seen, size_t step, float scale, struct janus_tiles own,
                        struct janus_tiles next, size_t next_seen, float *out, size_t out_stride) {
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
    size_t size = layout->size, padded = layout->padded;
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
    const uint16_t *list[2 * block_tiles + ahead];
    for (size_t first = 0; first < tiles; first += block_tiles) {
        size_t length = tiles - first < block_tiles ? tiles - first : block_tiles;
        size_t wanted = 2 * length + ahead, listed = list_tiles(layout, own, tiles, first, wanted, list);
        listed += list_tiles(layout, next, next_tiles, 0, wanted - listed, list + listed);
        for (; listed < wanted; listed++) list[listed] = list[listed - 1];
        score(q, count, list, length, padded, scores);
        janus_attention_weights(scores, count, length * tile, seen - first * tile, step, scale, &state, weights, sums,
                                padded);
        mix(weights, count, list + length, length, padded, sums);
    }
    janus_attention_result(&state, sums, count, size, out, out_stride);
}
