#include "attention.h"
#include "JanusPacked.h"

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
                               size_t first, size_t room, const void **list) {
    size_t listed = 0;
    for (; first < count && listed < room; first += block_tiles) {
        size_t last = count - first < block_tiles ? count : first + block_tiles;
        for (size_t t = first; t < last && listed < room; t++) list[listed++] = key_tile(layout, tiles, t);
        for (size_t t = first; t < last && listed < room; t++) list[listed++] = value_tile(layout, tiles, t);
    }
    return listed;
}

int janus_walk_on(struct walk *walk) {
    walk->first += walk->length;
    if (walk->first >= walk->tiles) return 0;
    walk->length = walk->tiles - walk->first < block_tiles ? walk->tiles - walk->first : block_tiles;
    size_t wanted = 2 * walk->length + ahead;
    size_t listed = list_tiles(walk->layout, walk->own, walk->tiles, walk->first, wanted, walk->list);
    listed += list_tiles(walk->layout, walk->next, walk->next_tiles, 0, wanted - listed, walk->list + listed);
    for (; listed < wanted; listed++) walk->list[listed] = walk->list[listed - 1];
    return 1;
}

static void attend_bf16(int isa, const struct queries *queries, struct walk *walk) {
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

void janus_tiles_attend(int isa, const struct janus_tile_layout *layout, const float *queries, size_t stride,
                        size_t count, size_t seen, size_t step, float scale, struct janus_tiles own,
                        struct janus_tiles next, size_t next_seen, float *out, size_t out_stride) {
    struct queries all = {queries, stride, count, seen, step, scale, out, out_stride};
    struct walk walk = {.layout = layout, .own = own, .next = next};
    walk.tiles = (seen + tile - 1) / tile;
    walk.next_tiles = (next_seen + tile - 1) / tile;
    if (layout->format == janus_tile_int8) janus_attend_int8(isa, &all, &walk);
    else attend_bf16(isa, &all, &walk);
}
