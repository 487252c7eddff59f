#include "attention.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#define ALWAYS static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

VNNI ALWAYS __m512i broadcast(const void *from) {
    int32_t four;
    memcpy(&four, from, sizeof four);
    return _mm512_set1_epi32(four);
}

// `rows` queries times `count` tiles of keys (constants). Few queries wait for memory.
VNNI ALWAYS void score_part(const int rows, const int count, const int8_t *q, const int32_t *starts, tile_list tiles,
                            size_t padded, int32_t *scores) {
    __m512i sum[8][4];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int t = 0; t < count; t++) sum[m][t] =
        _mm512_set1_epi32(starts[m]);
    const uint8_t *keys[4], *later[4];
    UNROLL for (int t = 0; t < count; t++) keys[t] = tiles[t], later[t] = tiles[t + ahead];
    if (rows <= 2) UNROLL for (int t = 0; t < count; t++) _mm_prefetch(later[t] + tile * padded, _MM_HINT_T0);
    for (size_t i = 0; i < padded; i += 4) {
        __m512i key[4];
        UNROLL for (int t = 0; t < count; t++) {
            key[t] = _mm512_loadu_si512(keys[t] + i * tile);
            if (rows <= 2) _mm_prefetch(later[t] + i * tile, _MM_HINT_T0);
        }
        UNROLL for (int m = 0; m < rows; m++) {
            __m512i value = broadcast(q + (size_t)m * padded + i);
            UNROLL for (int t = 0; t < count; t++) sum[m][t] = _mm512_dpbusd_epi32(sum[m][t], key[t], value);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int t = 0; t < count; t++)
        _mm512_store_si512(scores + m * block + t * tile, sum[m][t]);
}

// All queries against one run of tiles, which stay in the first-level cache between groups of queries.
VNNI ALWAYS void score_run(const int count, const int8_t *q, const int32_t *starts, size_t queries, tile_list tiles,
                           size_t padded, int32_t *scores) {
    for (size_t m = 0; m < queries; m += query_group(queries - m)) {
        const int8_t *own = q + m * padded;
        int32_t *to = scores + m * block;
        switch (query_group(queries - m)) {
        case 8:
            score_part(8, count > 2 ? 2 : count, own, starts + m, tiles, padded, to);
            if (count > 2) score_part(8, 2, own, starts + m, tiles + 2, padded, to + 2 * tile);
            break;
        case 4: score_part(4, count, own, starts + m, tiles, padded, to); break;
        case 2: score_part(2, count, own, starts + m, tiles, padded, to); break;
        default: score_part(1, count, own, starts + m, tiles, padded, to); break;
        }
    }
}

VNNI void janus_int8_scores_vnni(const int8_t *q, const int32_t *starts, size_t queries, tile_list tiles, size_t count,
                                 size_t padded, int32_t *scores) {
    size_t t = 0;
#define RUN(COUNT) score_run(COUNT, q, starts, queries, tiles + t, padded, scores + t * tile)
    for (; t + 4 <= count; t += 4) RUN(4);
    for (; t + 2 <= count; t += 2) RUN(2);
    for (; t < count; t++) RUN(1);
#undef RUN
}

// `rows` rows of weights times lanes `lane` … + `vectors` · 16 of the values (constants).
VNNI ALWAYS void mix_part(const int rows, const int vectors, const uint8_t *weights, tile_list tiles, size_t count,
                          size_t padded, size_t lane, int32_t *products) {
    __m512i sum[8][8];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] = _mm512_setzero_si512();
    for (size_t t = 0; t < count; t++, weights += tile) {
        const int8_t *values = (const int8_t *)tiles[t] + 4 * lane, *later = (const int8_t *)tiles[t + ahead] + 4 * lane;
        if (rows <= 4) _mm_prefetch(tile_scales(tiles[t + ahead], padded), _MM_HINT_T0);
        for (size_t p = 0; p < tile; p += 4, values += 4 * padded, later += 4 * padded) {
            __m512i value[8];
            UNROLL for (int j = 0; j < vectors; j++) {
                value[j] = _mm512_loadu_si512(values + 64 * j);
                if (rows <= 4) _mm_prefetch(later + 64 * j, _MM_HINT_T0);
            }
            UNROLL for (int m = 0; m < rows; m++) {
                __m512i weight = broadcast(weights + (size_t)m * block + p);
                UNROLL for (int j = 0; j < vectors; j++) sum[m][j] = _mm512_dpbusd_epi32(sum[m][j], weight, value[j]);
            }
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++)
        _mm512_storeu_si512(products + (size_t)m * padded + 16 * j, sum[m][j]);
}

// Rows are even in number.
VNNI ALWAYS void mix_run(const int vectors, const uint8_t *weights, size_t rows, tile_list tiles, size_t count,
                         size_t padded, size_t lane, int32_t *products) {
    for (size_t m = 0; m < rows; m += query_group(rows - m)) {
        const uint8_t *own = weights + m * block;
        int32_t *to = products + m * padded;
#define PART(ROWS, VECTORS, J) mix_part(ROWS, VECTORS, own, tiles, count, padded, lane + 16 * (J), to + 16 * (J))
        switch (query_group(rows - m)) {
        case 8: UNROLL for (int j = 0; j < vectors; j += 2) PART(8, vectors < 2 ? 1 : 2, j); break;
        case 4: UNROLL for (int j = 0; j < vectors; j += 4) PART(4, vectors < 4 ? vectors : 4, j); break;
        default: PART(2, vectors, 0); break;
        }
#undef PART
    }
}

VNNI void janus_int8_mix_vnni(const uint8_t *weights, size_t rows, tile_list tiles, size_t count, size_t padded,
                              int32_t *products) {
    size_t vectors = padded / 16, j = 0;
#define RUN(VECTORS) mix_run(VECTORS, weights, rows, tiles, count, padded, 16 * j, products + 16 * j)
    for (; j + 8 <= vectors; j += 8) RUN(8);
    for (; j + 4 <= vectors; j += 4) RUN(4);
    for (; j + 2 <= vectors; j += 2) RUN(2);
    for (; j < vectors; j++) RUN(1);
#undef RUN
}
#endif
