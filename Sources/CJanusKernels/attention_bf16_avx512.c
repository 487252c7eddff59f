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

// Few queries wait for memory.
JANUS_INLINE int is_few(int rows) { return rows <= 2; }

// `rows` queries times `count` tiles of keys (constants).
BF16 ALWAYS void score_part(const int rows, const int count, const uint16_t *q, tile_list tiles, size_t padded,
                            float *scores) {
    __m512 sum[8][4];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int t = 0; t < count; t++) sum[m][t] = _mm512_setzero_ps();
    const uint16_t *keys[4], *later[4];
    UNROLL for (int t = 0; t < count; t++) keys[t] = tiles[t], later[t] = tiles[t + ahead];
    for (size_t i = 0; i < padded; i += 2) {
        __m512bh key[4];
        UNROLL for (int t = 0; t < count; t++) {
            key[t] = (__m512bh)_mm512_loadu_si512(keys[t] + i * tile);
            if (is_few(rows)) _mm_prefetch((const char *)(later[t] + i * tile), _MM_HINT_T0);
        }
        UNROLL for (int m = 0; m < rows; m++) {
            __m512bh value = broadcast_pair(q + (size_t)m * padded + i);
            UNROLL for (int t = 0; t < count; t++) sum[m][t] = _mm512_dpbf16_ps(sum[m][t], key[t], value);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int t = 0; t < count; t++)
        _mm512_store_ps(scores + m * block + t * tile, sum[m][t]);
}

// All queries against one run of tiles, which stay in the first-level cache between groups of queries.
BF16 ALWAYS void score_run(const int count, const uint16_t *q, size_t queries, tile_list tiles, size_t padded,
                           float *scores) {
    for (size_t m = 0; m < queries; m += query_group(queries - m)) {
        const uint16_t *own = q + m * padded;
        float *to = scores + m * block;
        switch (query_group(queries - m)) {
        case 8:
            score_part(8, count > 2 ? 2 : count, own, tiles, padded, to);
            if (count > 2) score_part(8, 2, own, tiles + 2, padded, to + 2 * tile);
            break;
        case 4: score_part(4, count, own, tiles, padded, to); break;
        case 2: score_part(2, count, own, tiles, padded, to); break;
        default: score_part(1, count, own, tiles, padded, to); break;
        }
    }
}

BF16 void janus_scores_bf16(const uint16_t *q, size_t queries, tile_list tiles, size_t count, size_t padded,
                            float *scores) {
    size_t t = 0;
#define RUN(COUNT) score_run(COUNT, q, queries, tiles + t, padded, scores + t * tile)
    for (; t + 4 <= count; t += 4) RUN(4);
    for (; t + 2 <= count; t += 2) RUN(2);
    for (; t < count; t++) RUN(1);
#undef RUN
}

// `rows` queries times lanes `lane` … + `vectors` · 16 of the values (constants).
BF16 ALWAYS void mix_part(const int rows, const int vectors, const uint16_t *weights, tile_list tiles, size_t count,
                          size_t padded, size_t lane, float *sums) {
    __m512 sum[8][8];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] =
        _mm512_load_ps(sums + m * head_max + 16 * j);
    for (size_t t = 0; t < count; t++, weights += tile) {
        const uint16_t *values = (const uint16_t *)tiles[t] + 2 * lane;
        const uint16_t *later = (const uint16_t *)tiles[t + ahead] + 2 * lane;
        for (size_t p = 0; p < tile; p += 2, values += 2 * padded, later += 2 * padded) {
            __m512bh value[8];
            UNROLL for (int j = 0; j < vectors; j++) {
                value[j] = (__m512bh)_mm512_loadu_si512(values + 32 * j);
                if (is_few(rows)) _mm_prefetch((const char *)(later + 32 * j), _MM_HINT_T0);
            }
            UNROLL for (int m = 0; m < rows; m++) {
                __m512bh weight = broadcast_pair(weights + (size_t)m * block + p);
                UNROLL for (int j = 0; j < vectors; j++) sum[m][j] = _mm512_dpbf16_ps(sum[m][j], value[j], weight);
            }
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++)
        _mm512_store_ps(sums + m * head_max + 16 * j, sum[m][j]);
}

BF16 ALWAYS void mix_run(const int vectors, const uint16_t *weights, size_t queries, tile_list tiles, size_t count,
                         size_t padded, size_t lane, float *sums) {
    for (size_t m = 0; m < queries; m += query_group(queries - m)) {
        const uint16_t *own = weights + m * block;
        float *to = sums + m * head_max;
#define PART(ROWS, VECTORS, J) mix_part(ROWS, VECTORS, own, tiles, count, padded, lane + 16 * (J), to + 16 * (J))
        switch (query_group(queries - m)) {
        case 8: UNROLL for (int j = 0; j < vectors; j += 2) PART(8, vectors < 2 ? 1 : 2, j); break;
        case 4: UNROLL for (int j = 0; j < vectors; j += 4) PART(4, vectors < 4 ? vectors : 4, j); break;
        case 2: PART(2, vectors, 0); break;
        default: PART(1, vectors, 0); break;
        }
#undef PART
    }
}

BF16 void janus_mix_bf16(const uint16_t *weights, size_t queries, tile_list tiles, size_t count, size_t padded,
                         float *sums) {
    size_t vectors = padded / 16, j = 0;
#define RUN(VECTORS) mix_run(VECTORS, weights, queries, tiles, count, padded, 16 * j, sums + 16 * j)
    for (; j + 8 <= vectors; j += 8) RUN(8);
    for (; j + 4 <= vectors; j += 4) RUN(4);
    for (; j + 2 <= vectors; j += 2) RUN(2);
    for (; j < vectors; j++) RUN(1);
#undef RUN
}
#endif
