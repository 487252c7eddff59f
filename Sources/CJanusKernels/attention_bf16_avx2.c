#include "attention.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define ALWAYS static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

// A pair is two fused multiply-adds, the odd one first, as vdpbf16ps has it. Its vectors: the odd values stand in the
// upper halves of the lanes already, the even ones are shifted there.
struct pair {
    __m256 even, odd;
};

AVX2 ALWAYS struct pair load_pairs(const uint16_t *from) {
    __m256i both = _mm256_loadu_si256((const __m256i *)from);
    return (struct pair){_mm256_castsi256_ps(_mm256_slli_epi32(both, 16)),
                         _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32((int)0xffff0000u)))};
}

AVX2 ALWAYS struct pair broadcast_pair(const uint16_t *from) {
    uint32_t two;
    memcpy(&two, from, sizeof two);
    return (struct pair){_mm256_set1_ps(float_of(two << 16)), _mm256_set1_ps(float_of(two & 0xffff0000u))};
}

AVX2 ALWAYS __m256 dot_pair(__m256 sum, struct pair a, struct pair b) {
    return _mm256_fmadd_ps(a.even, b.even, _mm256_fmadd_ps(a.odd, b.odd, sum));
}

AVX2 ALWAYS void score_part(const int rows, const uint16_t *q, const uint16_t *keys, size_t padded, float *scores) {
    __m256 sum[4][2];
    UNROLL for (int m = 0; m < rows; m++) sum[m][0] = sum[m][1] = _mm256_setzero_ps();
    for (size_t i = 0; i < padded; i += 2, keys += 2 * tile) {
        struct pair first = load_pairs(keys), second = load_pairs(keys + tile);
        UNROLL for (int m = 0; m < rows; m++) {
            struct pair value = broadcast_pair(q + (size_t)m * padded + i);
            sum[m][0] = dot_pair(sum[m][0], first, value);
            sum[m][1] = dot_pair(sum[m][1], second, value);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) {
        _mm256_store_ps(scores + m * block, sum[m][0]);
        _mm256_store_ps(scores + m * block + 8, sum[m][1]);
    }
}

// Denormals to zero, in and out, as vdpbf16ps has it whatever the mode is.
enum { flush_denormals = 0x8040 };

AVX2 void janus_scores_avx2(const uint16_t *q, size_t queries, tile_list tiles, size_t count, size_t padded,
                            float *scores) {
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | flush_denormals);
    for (size_t t = 0; t < count; t++, scores += tile) {
        size_t m = 0;
        for (; m + 4 <= queries; m += 4) score_part(4, q + m * padded, tiles[t], padded, scores + m * block);
        for (; m < queries; m++) score_part(1, q + m * padded, tiles[t], padded, scores + m * block);
    }
    _mm_setcsr(mode);
}

// Lanes `lane` … + 16 of the values.
AVX2 ALWAYS void mix_part(const int rows, const uint16_t *weights, tile_list tiles, size_t count, size_t padded,
                          size_t lane, float *sums) {
    __m256 sum[4][2];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 2; j++) sum[m][j] =
        _mm256_load_ps(sums + m * head_max + 8 * j);
    for (size_t p = 0; p < count * tile; p += 2) {
        const uint16_t *values = (const uint16_t *)tiles[p / tile] + p % tile * padded + 2 * lane;
        struct pair first = load_pairs(values), second = load_pairs(values + 16);
        UNROLL for (int m = 0; m < rows; m++) {
            struct pair weight = broadcast_pair(weights + (size_t)m * block + p);
            sum[m][0] = dot_pair(sum[m][0], first, weight);
            sum[m][1] = dot_pair(sum[m][1], second, weight);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 2; j++)
        _mm256_store_ps(sums + m * head_max + 8 * j, sum[m][j]);
}

AVX2 void janus_mix_avx2(const uint16_t *weights, size_t queries, tile_list tiles, size_t count, size_t padded,
                         float *sums) {
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | flush_denormals);
    for (size_t i = 0; i < padded; i += 16) {
        size_t m = 0;
        for (; m + 4 <= queries; m += 4)
            mix_part(4, weights + m * block, tiles, count, padded, i, sums + m * head_max + i);
        for (; m < queries; m++) mix_part(1, weights + m * block, tiles, count, padded, i, sums + m * head_max + i);
    }
    _mm_setcsr(mode);
}
#endif
