#include "attention.h"
#if defined(__aarch64__)
#include "neon.h"

// `rows` queries times `count` tiles of keys (constants), four vectors each.
NEON ALWAYS void score_part(const int rows, const int count, const uint16_t *q, tile_list tiles, size_t padded,
                            float *scores) {
    float32x4_t sum[4][16];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4 * count; j++) sum[m][j] = vdupq_n_f32(0);
    const uint16_t *keys[4], *later[4];
    UNROLL for (int t = 0; t < count; t++) keys[t] = tiles[t], later[t] = tiles[t + ahead];
    for (size_t i = 0; i < padded; i += 8) {
        struct pairs value[4];
        UNROLL for (int m = 0; m < rows; m++) value[m] = load_pairs(q + (size_t)m * padded + i);
        UNROLL for (int two = 0; two < 4; two++) UNROLL for (int t = 0; t < count; t++) {
            size_t place = (i + 2 * (size_t)two) * tile;
            if (rows <= 2) __builtin_prefetch(later[t] + place); // few queries wait for memory
            UNROLL for (int j = 0; j < 4; j++) {
                struct pairs key = load_pairs(keys[t] + place + 8 * j);
                UNROLL for (int m = 0; m < rows; m++) sum[m][4 * t + j] =
                    dot2(sum[m][4 * t + j], key, value[m], two);
            }
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4 * count; j++)
        vst1q_f32(scores + m * block + 4 * j, sum[m][j]);
}

// All queries against one run of tiles, which stay in the first-level cache between groups of queries.
NEON ALWAYS void score_run(const int count, const uint16_t *q, size_t queries, tile_list tiles, size_t padded,
                           float *scores) {
    for (size_t m = 0; m < queries; m += shared_by(queries - m)) {
        const uint16_t *own = q + m * padded;
        float *to = scores + m * block;
#define PART(ROWS, COUNT, T) score_part(ROWS, COUNT, own, tiles + (T), padded, to + (T) * tile)
        switch (shared_by(queries - m)) {
        case 4: UNROLL for (int t = 0; t < count; t++) PART(4, 1, t); break;
        case 2: UNROLL for (int t = 0; t < count; t += 2) PART(2, count < 2 ? 1 : 2, t); break;
        default: PART(1, count, 0); break;
        }
#undef PART
    }
}

NEON void janus_scores_neon(const uint16_t *q, size_t queries, tile_list tiles, size_t count, size_t padded,
                            float *scores) {
    struct float_mode mode = begin_flushing();
    size_t t = 0;
#define RUN(COUNT) score_run(COUNT, q, queries, tiles + t, padded, scores + t * tile)
    for (; t + 4 <= count; t += 4) RUN(4);
    for (; t + 2 <= count; t += 2) RUN(2);
    for (; t < count; t++) RUN(1);
#undef RUN
    if (end_flushing(mode)) janus_scores_scalar(q, queries, tiles, count, padded, scores);
}

// `rows` queries times lanes `lane` … + `vectors` · 4 of the values (constants).
NEON ALWAYS void mix_part(const int rows, const int vectors, const uint16_t *weights, tile_list tiles, size_t count,
                          size_t padded, size_t lane, float *sums) {
    float32x4_t sum[4][16];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] =
        vld1q_f32(sums + m * head_max + 4 * j);
    for (size_t t = 0; t < count; t++, weights += tile) {
        const uint16_t *values = (const uint16_t *)tiles[t] + 2 * lane;
        const uint16_t *later = (const uint16_t *)tiles[t + ahead] + 2 * lane;
        for (size_t p = 0; p < tile; p += 8) {
            struct pairs weight[4];
            UNROLL for (int m = 0; m < rows; m++) weight[m] = load_pairs(weights + (size_t)m * block + p);
            UNROLL for (int two = 0; two < 4; two++) UNROLL for (int j = 0; j < vectors; j++) {
                size_t place = (p + 2 * (size_t)two) * padded + 8 * (size_t)j;
                if (rows <= 2 && j % 4 == 0) __builtin_prefetch(later + place);
                struct pairs value = load_pairs(values + place);
                UNROLL for (int m = 0; m < rows; m++) sum[m][j] = dot2(sum[m][j], value, weight[m], two);
            }
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++)
        vst1q_f32(sums + m * head_max + 4 * j, sum[m][j]);
}

NEON ALWAYS void mix_run(const int vectors, const uint16_t *weights, size_t queries, tile_list tiles, size_t count,
                         size_t padded, size_t lane, float *sums) {
    for (size_t m = 0; m < queries; m += shared_by(queries - m)) {
        const uint16_t *own = weights + m * block;
        float *to = sums + m * head_max + lane;
#define PART(ROWS, VECTORS, J)                                                                                         \
    mix_part(ROWS, VECTORS, own, tiles, count, padded, lane + 4 * (size_t)(J), to + 4 * (J))
        switch (shared_by(queries - m)) {
        case 4: UNROLL for (int j = 0; j < vectors; j += 4) PART(4, 4, j); break;
        case 2: UNROLL for (int j = 0; j < vectors; j += 8) PART(2, vectors < 8 ? 4 : 8, j); break;
        default: PART(1, vectors, 0); break;
        }
#undef PART
    }
}

// Whether a result was flushed.
NEON static int mix(const uint16_t *weights, size_t queries, tile_list tiles, size_t count, size_t padded,
                    float *sums) {
    struct float_mode mode = begin_flushing();
    size_t lane = 0;
#define RUN(LANES) mix_run(LANES / 4, weights, queries, tiles, count, padded, lane, sums)
    for (; lane + 64 <= padded; lane += 64) RUN(64);
    for (; lane + 32 <= padded; lane += 32) RUN(32);
    for (; lane < padded; lane += 16) RUN(16);
#undef RUN
    return end_flushing(mode);
}

void janus_mix_neon(const uint16_t *weights, size_t queries, tile_list tiles, size_t count, size_t padded,
                    float *sums) {
    float before[queries_max * head_max];
    for (size_t m = 0; m < queries; m++) memcpy(before + m * head_max, sums + m * head_max, padded * sizeof *sums);
    if (!mix(weights, queries, tiles, count, padded, sums)) return;
    // Again, tile by tile: a sum is flushed while the weights are still about 0, so few tiles need the twin's way.
    for (size_t m = 0; m < queries; m++) {
        float *own = sums + m * head_max, *saved = before + m * head_max;
        memcpy(own, saved, padded * sizeof *own);
        for (size_t t = 0; t < count; t++) {
            const uint16_t *weight = weights + m * block + t * tile;
            memcpy(saved, own, padded * sizeof *own);
            if (!mix(weight, 1, tiles + t, 1, padded, own)) continue;
            memcpy(own, saved, padded * sizeof *own);
            janus_mix_scalar(weight, 1, tiles + t, 1, padded, own);
        }
    }
}
#endif
