// What attention over tiles shares among the instruction sets.
#pragma once
#include "kernel.h"

enum {
    tile = janus_tile_positions,
    page_tiles = janus_page_tiles,
    block_tiles = 16,
    block = block_tiles * tile, // positions whose weights share a greatest score
    queries_max = janus_attention_queries_max,
    head_max = janus_head_size_max,
};

// Tiles in the order in which they are read; `ahead` of them there are more. Few queries wait for memory, so each tile is
// fetched so long before it is read.
typedef const void *const *tile_list;
enum { ahead = 4 };

// scores[query][block] of `count` tiles of keys; q[query][padded]
typedef void janus_tile_scores(const uint16_t *q, size_t queries, tile_list tiles, size_t count, size_t padded,
                               float *scores);
// sums[query][head_max] += weights[query][block] · values of `count` tiles
typedef void janus_tile_mix(const uint16_t *weights, size_t queries, tile_list tiles, size_t count, size_t padded,
                            float *sums);

// int8: scores[query][block] = starts[query] + Σ q · key, where a start takes the keys' 128 away.
typedef void janus_int8_scores(const int8_t *q, const int32_t *starts, size_t queries, tile_list tiles, size_t count,
                               size_t padded, int32_t *scores);
// products[row][padded] = weights[row][block] · values of `count` tiles; a query has two rows, of high and of low bytes.
typedef void janus_int8_mix(const uint8_t *weights, size_t rows, tile_list tiles, size_t count, size_t padded,
                            int32_t *products);

janus_tile_scores janus_scores_scalar, janus_scores_avx2, janus_scores_bf16, janus_scores_neon;
janus_tile_mix janus_mix_scalar, janus_mix_avx2, janus_mix_bf16, janus_mix_neon;
janus_int8_scores janus_int8_scores_scalar, janus_int8_scores_avx2, janus_int8_scores_vnni, janus_int8_scores_neon;
janus_int8_mix janus_int8_mix_scalar, janus_int8_mix_avx2, janus_int8_mix_vnni, janus_int8_mix_neon;

// How many of `queries` share the keys in registers: 8, 4, 2 or 1.
JANUS_INLINE size_t query_group(size_t queries) { return queries >= 8 ? 8 : queries >= 4 ? 4 : queries >= 2 ? 2 : 1; }

// The t-th tile of a sequence.
JANUS_INLINE char *key_tile(const struct janus_tile_layout *layout, struct janus_tiles tiles, size_t t) {
    return tiles.head + (size_t)tiles.pages[t / page_tiles] * layout->page_bytes + t % page_tiles * layout->tile_bytes;
}
JANUS_INLINE char *value_tile(const struct janus_tile_layout *layout, struct janus_tiles tiles, size_t t) {
    return key_tile(layout, tiles, t) + page_tiles * layout->tile_bytes;
}
// The values that are turned together: as many as the greatest power of two that divides a head's.
JANUS_INLINE size_t turn_length(size_t padded) { return padded & (~padded + 1); }

// A step of the transform within 16 lanes: lane i and i ^ DISTANCE become their sum and their difference.
#define TURN(v, DISTANCE, A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P)                                              \
    do {                                                                                                               \
        lanes_f32 signs_;                                                                                              \
        for (int i_ = 0; i_ < lanes; i_++) signs_[i_] = i_ & (DISTANCE) ? -1.0f : 1.0f;                                \
        (v) = __builtin_shufflevector(v, v, A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P) + (v) * signs_;            \
    } while (0)

// The Walsh-Hadamard transform of each run of turn_length values, which is its own inverse but for that length as a factor.
// It leaves products of vectors as they are (but for the factor), and spreads a value that is much greater than the others
// over all of them, so that the others keep their bits beside it.
JANUS_INLINE void turn(float *x, size_t padded) {
    for (size_t half = turn_length(padded) / 2; half >= lanes; half /= 2)
        for (size_t first = 0; first < padded; first += 2 * half)
            for (size_t i = first; i < first + half; i++) {
                float a = x[i], b = x[i + half];
                x[i] = a + b;
                x[i + half] = a - b;
            }
    for (size_t i = 0; i < padded; i += lanes) {
        lanes_f32 v = LOAD16(x + i);
        TURN(v, 8, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
        TURN(v, 4, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
        TURN(v, 2, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        TURN(v, 1, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
        memcpy(x + i, &v, sizeof v);
    }
}

// Values, turned, as 8-bit integers; returns their scale.
JANUS_INLINE float int8_of(const float *x, size_t size, size_t padded, int8_t *to) {
    float turned[head_max];
    memcpy(turned, x, size * sizeof *x);
    memset(turned + size, 0, (padded - size) * sizeof *x);
    turn(turned, padded);
    struct integer_scale scale = scale_of(greatest_bits(turned, padded), 127.0f);
    for (size_t i = 0; i < padded; i++) to[i] = (int8_t)nearest(turned[i] * scale.inverse);
    return scale.scale;
}

// The scales behind a tile of int8.
JANUS_INLINE const float *tile_scales(const void *of, size_t padded) {
    return (const float *)((const char *)of + tile * padded);
}

// What a call attends to, and the block of it whose turn it is.
struct walk {
    const struct janus_tile_layout *layout;
    struct janus_tiles own, next;
    size_t tiles, next_tiles, first, length;
    const void *list[2 * block_tiles + ahead]; // the block's keys, its values, what comes then
};
// Lists the next block's tiles; 0 when there is none.
int janus_walk_on(struct walk *walk);

// What is known of each query's softmax so far.
struct running {
    float greatest[queries_max];
    lanes_f32 totals[queries_max]; // of the weights, lane by lane
};

// The greatest score so far, with those of a block; where it is greater than before, all that was summed up is scaled to it.
JANUS_INLINE float raise_greatest(const float *scores, size_t positions, float scale, float *greatest,
                                  lanes_f32 *totals, float *sums, size_t padded) {
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
    return maximum;
}

// A score's weight; no denormals.
JANUS_INLINE float weight_of(float score, float maximum) {
    float x = score - maximum, power = exp_f32(x);
    return x < -87.0f ? 0.0f : power;
}

// out = sums / total of each query
void janus_attention_result(const struct running *state, const float *sums, size_t queries, size_t size, float *out,
                            size_t out_stride);

// Queries of one head, and where their results go.
struct queries {
    const float *values;
    size_t stride, count, seen, step;
    float scale;
    float *out;
    size_t out_stride;
};
void janus_attend_bf16(int isa, const struct queries *queries, struct walk *walk);
void janus_attend_int8(int isa, const struct queries *queries, struct walk *walk);
