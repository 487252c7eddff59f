#include "attention.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c")))
#define ALWAYS static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

BF16 ALWAYS __m512bh broadcast_pair(const uint16_t *from) {
    int32_t two;
    memcpy(&two, from, sizeof two);
    return (__m512bh)_mm512_set1_epi32(two);
}

// `rows` queries times `tiles` tiles of keys (constants). Few queries wait for memory: the tiles after these are fetched.
BF16 ALWAYS void score_part(const int rows, const int tiles, const uint16_t *q, const uint16_t *keys, size_t padded,
                            float *scores) {
    __m512 sum[8][4];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int t = 0; t < tiles; t++) sum[m][t] = _mm512_setzero_ps();
    for (size_t i = 0; i < padded; i += 2, keys += 2 * tile) {
        __m512bh key[4];
        UNROLL for (int t = 0; t < tiles; t++) {
            const uint16_t *from = keys + (size_t)t * tile * padded;
            key[t] = (__m512bh)_mm512_loadu_si512(from);
            if (rows <= 2) _mm_prefetch((const char *)(from + (size_t)tiles * tile * padded), _MM_HINT_T0);
        }
        UNROLL for (int m = 0; m < rows; m++) {
            __m512bh value = broadcast_pair(q + (size_t)m * padded + i);
            UNROLL for (int t = 0; t < tiles; t++) sum[m][t] = _mm512_dpbf16_ps(sum[m][t], key[t], value);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int t = 0; t < tiles; t++)
        _mm512_store_ps(scores + m * block + t * tile, sum[m][t]);
}

// All queries against one run of tiles, which stay in the first-level cache between groups of queries.
BF16 ALWAYS void score_run(const int tiles, const uint16_t *q, size_t queries, const uint16_t *keys, size_t padded,
                           float *scores) {
    for (size_t m = 0; m < queries; m += query_group(queries - m)) {
        const uint16_t *own = q + m * padded;
        float *to = scores + m * block;
        switch (query_group(queries - m)) {
        case 8:
            score_part(8, tiles > 2 ? 2 : tiles, own, keys, padded, to);
            if (tiles > 2) score_part(8, 2, own, keys + 2 * tile * padded, padded, to + 2 * tile);
            break;
        case 4: score_part(4, tiles, own, keys, padded, to); break;
        case 2: score_part(2, tiles, own, keys, padded, to); break;
        default: score_part(1, tiles, own, keys, padded, to); break;
        }
    }
}

BF16 void janus_scores_bf16(const uint16_t *q, size_t queries, const uint16_t *keys, size_t tiles, size_t padded,
                            float *scores) {
    size_t t = 0;
    for (; t + 4 <= tiles; t += 4) score_run(4, q, queries, keys + t * tile * padded, padded, scores + t * tile);
    for (; t + 2 <= tiles; t += 2) score_run(2, q, queries, keys + t * tile * padded, padded, scores + t * tile);
    for (; t < tiles; t++) score_run(1, q, queries, keys + t * tile * padded, padded, scores + t * tile);
}

// `rows` queries times `vectors` · 16 lanes of the values (constants).
BF16 ALWAYS void mix_part(const int rows, const int vectors, const uint16_t *weights, const uint16_t *values,
                          size_t positions, size_t padded, float *sums) {
    __m512 sum[8][8];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] =
        _mm512_load_ps(sums + m * head_max + 16 * j);
    for (size_t p = 0; p < positions; p += 2, values += 2 * padded) {
        __m512bh value[8];
        UNROLL for (int j = 0; j < vectors; j++) {
            value[j] = (__m512bh)_mm512_loadu_si512(values + 32 * j);
            if (rows <= 2) _mm_prefetch((const char *)(values + 32 * j + 16 * padded), _MM_HINT_T0);
        }
        UNROLL for (int m = 0; m < rows; m++) {
            __m512bh weight = broadcast_pair(weights + (size_t)m * block + p);
            UNROLL for (int j = 0; j < vectors; j++) sum[m][j] = _mm512_dpbf16_ps(sum[m][j], value[j], weight);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++)
        _mm512_store_ps(sums + m * head_max + 16 * j, sum[m][j]);
}

BF16 ALWAYS void mix_run(const int vectors, const uint16_t *weights, size_t queries, const uint16_t *values,
                         size_t positions, size_t padded, float *sums) {
    for (size_t m = 0; m < queries; m += query_group(queries - m)) {
        const uint16_t *own = weights + m * block;
        float *to = sums + m * head_max;
        switch (query_group(queries - m)) {
        case 8:
            UNROLL for (int j = 0; j < vectors; j += 2)
                mix_part(8, vectors < 2 ? 1 : 2, own, values + 32 * j, positions, padded, to + 16 * j);
            break;
        case 4:
            UNROLL for (int j = 0; j < vectors; j += 4)
                mix_part(4, vectors < 4 ? vectors : 4, own, values + 32 * j, positions, padded, to + 16 * j);
            break;
        case 2: mix_part(2, vectors, own, values, positions, padded, to); break;
        default: mix_part(1, vectors, own, values, positions, padded, to); break;
        }
    }
}

BF16 void janus_mix_bf16(const uint16_t *weights, size_t queries, const uint16_t *values, size_t tiles, size_t padded,
                         float *sums) {
    size_t vectors = padded / 16, positions = tiles * tile, j = 0;
    for (; j + 8 <= vectors; j += 8)
        mix_run(8, weights, queries, values + 32 * j, positions, padded, sums + 16 * j);
    for (; j + 4 <= vectors; j += 4)
        mix_run(4, weights, queries, values + 32 * j, positions, padded, sums + 16 * j);
    for (; j + 2 <= vectors; j += 2)
        mix_run(2, weights, queries, values + 32 * j, positions, padded, sums + 16 * j);
    for (; j < vectors; j++) mix_run(1, weights, queries, values + 32 * j, positions, padded, sums + 16 * j);
}
#endif
