#include "attention.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define ALWAYS static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

// Four bytes a lane as 16-bit integers: the first and third stand in one vector, the second and fourth in another, so
// that two products of pairs are a lane's four.
struct halves {
    __m256i even, odd;
};

AVX2 ALWAYS struct halves unsigned_halves(__m256i four) {
    return (struct halves){_mm256_and_si256(four, _mm256_set1_epi16(255)), _mm256_srli_epi16(four, 8)};
}

AVX2 ALWAYS struct halves signed_halves(__m256i four) {
    return (struct halves){_mm256_srai_epi16(_mm256_slli_epi16(four, 8), 8), _mm256_srai_epi16(four, 8)};
}

AVX2 ALWAYS __m256i load(const void *from) { return _mm256_loadu_si256((const __m256i *)from); }

AVX2 ALWAYS __m256i broadcast(const void *from) {
    int32_t four;
    memcpy(&four, from, sizeof four);
    return _mm256_set1_epi32(four);
}

AVX2 ALWAYS __m256i dot(__m256i sum, struct halves a, struct halves b) {
    return _mm256_add_epi32(
        sum, _mm256_add_epi32(_mm256_madd_epi16(a.even, b.even), _mm256_madd_epi16(a.odd, b.odd)));
}

// `rows` (a constant) queries times one tile of keys.
AVX2 ALWAYS void score_part(const int rows, const int8_t *q, const int32_t *starts, const uint8_t *keys, size_t padded,
                            int32_t *scores) {
    __m256i sum[4][2];
    UNROLL for (int m = 0; m < rows; m++) sum[m][0] = sum[m][1] = _mm256_set1_epi32(starts[m]);
    for (size_t i = 0; i < padded; i += 4, keys += 4 * tile) {
        struct halves first = unsigned_halves(load(keys)), second = unsigned_halves(load(keys + 32));
        UNROLL for (int m = 0; m < rows; m++) {
            struct halves value = signed_halves(broadcast(q + (size_t)m * padded + i));
            sum[m][0] = dot(sum[m][0], first, value);
            sum[m][1] = dot(sum[m][1], second, value);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 2; j++)
        _mm256_store_si256((__m256i *)(scores + m * block + 8 * j), sum[m][j]);
}

AVX2 void janus_int8_scores_avx2(const int8_t *q, const int32_t *starts, size_t queries, tile_list tiles, size_t count,
                                 size_t padded, int32_t *scores) {
    for (size_t t = 0; t < count; t++, scores += tile) {
        size_t m = 0;
        for (; m + 4 <= queries; m += 4)
            score_part(4, q + m * padded, starts + m, tiles[t], padded, scores + m * block);
        for (; m < queries; m++) score_part(1, q + m * padded, starts + m, tiles[t], padded, scores + m * block);
    }
}

// `rows` (a constant) rows of weights times lanes `lane` … + 16 of the values.
AVX2 ALWAYS void mix_part(const int rows, const uint8_t *weights, tile_list tiles, size_t count, size_t padded,
                          size_t lane, int32_t *products) {
    __m256i sum[4][2];
    UNROLL for (int m = 0; m < rows; m++) sum[m][0] = sum[m][1] = _mm256_setzero_si256();
    for (size_t p = 0; p < count * tile; p += 4) {
        const int8_t *values = (const int8_t *)tiles[p / tile] + p % tile * padded + 4 * lane;
        struct halves first = signed_halves(load(values)), second = signed_halves(load(values + 32));
        UNROLL for (int m = 0; m < rows; m++) {
            struct halves weight = unsigned_halves(broadcast(weights + (size_t)m * block + p));
            sum[m][0] = dot(sum[m][0], first, weight);
            sum[m][1] = dot(sum[m][1], second, weight);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 2; j++)
        _mm256_store_si256((__m256i *)(products + (size_t)m * padded + 8 * j), sum[m][j]);
}

AVX2 void janus_int8_mix_avx2(const uint8_t *weights, size_t rows, tile_list tiles, size_t count, size_t padded,
                              int32_t *products) {
    for (size_t i = 0; i < padded; i += 16) {
        size_t m = 0;
        for (; m + 4 <= rows; m += 4)
            mix_part(4, weights + m * block, tiles, count, padded, i, products + m * padded + i);
        for (; m < rows; m++) mix_part(1, weights + m * block, tiles, count, padded, i, products + m * padded + i);
    }
}
#endif
