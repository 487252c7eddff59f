#include "attention.h"
#if defined(__aarch64__)
#include "neon.h"

// `rows` queries times `tiles` tiles of keys (constants), four vectors each.
NEON ALWAYS void score_part(const int rows, const int tiles, const uint16_t *q, const uint16_t *keys, size_t padded,
                            tiles_ahead ahead, float *scores) {
    float32x4_t sum[4][16];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4 * tiles; j++) sum[m][j] = vdupq_n_f32(0);
    for (size_t i = 0; i < padded; i += 8) {
        struct pairs value[4];
        UNROLL for (int m = 0; m < rows; m++) value[m] = load_pairs(q + (size_t)m * padded + i);
        UNROLL for (int two = 0; two < 4; two++) UNROLL for (int t = 0; t < tiles; t++) {
            size_t place = (i + 2 * (size_t)two) * tile;
            if (rows <= 2) __builtin_prefetch(ahead[t] + place); // few queries wait for memory
            UNROLL for (int j = 0; j < 4; j++) {
                struct pairs key = load_pairs(keys + (size_t)t * tile * padded + place + 8 * j);
                UNROLL for (int m = 0; m < rows; m++) sum[m][4 * t + j] =
                    dot2(sum[m][4 * t + j], key, value[m], two);
            }
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4 * tiles; j++)
        vst1q_f32(scores + m * block + 4 * j, sum[m][j]);
}

// How many of `queries` share the keys in registers.
JANUS_INLINE size_t shared_by(size_t queries) { return queries >= 4 ? 4 : queries >= 2 ? 2 : 1; }

// All queries against one run of tiles, which stay in the first-level cache between groups of queries.
NEON ALWAYS void score_run(const int tiles, const uint16_t *q, size_t queries, const uint16_t *keys, size_t padded,
                           tiles_ahead ahead, float *scores) {
    for (size_t m = 0; m < queries; m += shared_by(queries - m)) {
        const uint16_t *own = q + m * padded;
        float *to = scores + m * block;
#define PART(ROWS, TILES, T) score_part(ROWS, TILES, own, keys + (T) * tile * padded, padded, ahead + (T), to + (T) * tile)
        switch (shared_by(queries - m)) {
        case 4: UNROLL for (int t = 0; t < tiles; t++) PART(4, 1, t); break;
        case 2: UNROLL for (int t = 0; t < tiles; t += 2) PART(2, tiles < 2 ? 1 : 2, t); break;
        default: PART(1, tiles, 0); break;
        }
#undef PART
    }
}

NEON void janus_scores_neon(const uint16_t *q, size_t queries, const uint16_t *keys, size_t tiles, size_t padded,
                            tiles_ahead ahead, float *scores) {
    struct float_mode mode = begin_flushing();
    size_t t = 0;
#define RUN(TILES) score_run(TILES, q, queries, keys + t * tile * padded, padded, ahead + t, scores + t * tile)
    for (; t + 4 <= tiles; t += 4) RUN(4);
    for (; t + 2 <= tiles; t += 2) RUN(2);
    for (; t < tiles; t++) RUN(1);
#undef RUN
    if (end_flushing(mode)) janus_scores_scalar(q, queries, keys, tiles, padded, ahead, scores);
}

// `rows` queries times `vectors` · 4 lanes of the values (constants); ahead[tile] + `offset` comes later.
NEON ALWAYS void mix_part(const int rows, const int vectors, const uint16_t *weights, const uint16_t *values,
                          size_t tiles, size_t padded, tiles_ahead ahead, size_t offset, float *sums) {
    float32x4_t sum[4][16];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] =
        vld1q_f32(sums + m * head_max + 4 * j);
    for (size_t t = 0; t < tiles; t++, weights += tile)
        for (size_t p = 0; p < tile; p += 8) {
            struct pairs weight[4];
            UNROLL for (int m = 0; m < rows; m++) weight[m] = load_pairs(weights + (size_t)m * block + p);
            UNROLL for (int two = 0; two < 4; two++) UNROLL for (int j = 0; j < vectors; j++) {
                size_t place = (p + 2 * (size_t)two) * padded + 8 * (size_t)j;
                if (rows <= 2 && j % 4 == 0) __builtin_prefetch(ahead[t] + offset + place);
                struct pairs value = load_pairs(values + t * tile * padded + place);
                UNROLL for (int m = 0; m < rows; m++) sum[m][j] = dot2(sum[m][j], value, weight[m], two);
            }
        }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++)
        vst1q_f32(sums + m * head_max + 4 * j, sum[m][j]);
}

NEON ALWAYS void mix_run(const int vectors, const uint16_t *weights, size_t queries, const uint16_t *values,
                         size_t tiles, size_t padded, tiles_ahead ahead, size_t offset, float *sums) {
    for (size_t m = 0; m < queries; m += shared_by(queries - m)) {
        const uint16_t *own = weights + m * block;
        float *to = sums + m * head_max;
#define PART(ROWS, VECTORS, J)                                                                                         \
    mix_part(ROWS, VECTORS, own, values + 8 * (J), tiles, padded, ahead, offset + 8 * (J), to + 4 * (J))
        switch (shared_by(queries - m)) {
        case 4: UNROLL for (int j = 0; j < vectors; j += 4) PART(4, 4, j); break;
        case 2: UNROLL for (int j = 0; j < vectors; j += 8) PART(2, vectors < 8 ? 4 : 8, j); break;
        default: PART(1, vectors, 0); break;
        }
#undef PART
    }
}

// Whether a result was flushed.
NEON static int mix(const uint16_t *weights, size_t queries, const uint16_t *values, size_t tiles, size_t padded,
                    tiles_ahead ahead, float *sums) {
    struct float_mode mode = begin_flushing();
    size_t lane = 0;
#define RUN(LANES)                                                                                                     \
    mix_run(LANES / 4, weights, queries, values + 2 * lane, tiles, padded, ahead, 2 * lane, sums + lane)
    for (; lane + 64 <= padded; lane += 64) RUN(64);
    for (; lane + 32 <= padded; lane += 32) RUN(32);
    for (; lane < padded; lane += 16) RUN(16);
#undef RUN
    return end_flushing(mode);
}

void janus_mix_neon(const uint16_t *weights, size_t queries, const uint16_t *values, size_t tiles, size_t padded,
                    tiles_ahead ahead, float *sums) {
    float before[queries_max * head_max];
    for (size_t m = 0; m < queries; m++) memcpy(before + m * head_max, sums + m * head_max, padded * sizeof *sums);
    if (!mix(weights, queries, values, tiles, padded, ahead, sums)) return;
    // Again, tile by tile: a sum is flushed while the weights are still about 0, so few tiles need the twin's way.
    for (size_t m = 0; m < queries; m++) {
        float *own = sums + m * head_max, *saved = before + m * head_max;
        memcpy(own, saved, padded * sizeof *own);
        for (size_t t = 0; t < tiles; t++) {
            const uint16_t *weight = weights + m * block + t * tile, *value = values + t * tile * padded;
            memcpy(saved, own, padded * sizeof *own);
            if (!mix(weight, 1, value, 1, padded, ahead + t, own)) continue;
            memcpy(own, saved, padded * sizeof *own);
            janus_mix_scalar(weight, 1, value, 1, padded, ahead + t, own);
        }
    }
}
#endif
