#include "packed.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define ALWAYS static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { lanes8 = 8, rows2 = 2 };

// Bytes are widened to 16 bits, the even and the odd ones apart, and multiplied in pairs: nothing can saturate, which
// the shorter way by maddubs would.
AVX2 ALWAYS __m256i dot4(__m256i sum, __m256i weights, int32_t four) {
    __m256i value = _mm256_set1_epi32(four);
    __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(value, 8), 8), odd = _mm256_srai_epi16(value, 8);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_and_si256(weights, _mm256_set1_epi16(255)), even));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_srli_epi16(weights, 8), odd));
}

// 32 outputs (four vectors) for one or two rows: one group of int8, or a span of groups of int4, whose inputs lie
// `next` rows of a group apart.
AVX2 ALWAYS void integer_part(const int rows, const int is8, const int8_t *a, const int32_t *starts,
                              const float *a_scales, const uint8_t *w, const void *scales, size_t group, size_t span,
                              size_t next, int is_first, float *sums) {
    __m256i sum[rows2][4];
    __m256 part[rows2][4];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4; j++) part[m][j] = _mm256_setzero_ps();
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i levels = _mm256_broadcastsi128_si256(
        _mm_xor_si128(_mm_loadu_si128((const __m128i *)janus_int4_codebook), _mm_set1_epi8((char)128)));
    for (size_t g = 0; g < span; g++, a += next * group, starts += next) {
        UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4; j++) sum[m][j] =
            _mm256_set1_epi32(starts[m]);
        for (size_t k = 0; k < group; k += is8 ? 4 : 8, w += 4 * panel)
            UNROLL for (int half = 0; half < (is8 ? 1 : 2); half++) UNROLL for (int j = 0; j < 4; j++) {
                __m256i weights = _mm256_loadu_si256((const __m256i *)w + j);
                if (!is8)
                    weights = _mm256_shuffle_epi8(
                        levels, _mm256_and_si256(half ? _mm256_srli_epi16(weights, 4) : weights, low));
                UNROLL for (int m = 0; m < rows; m++) {
                    int32_t four;
                    memcpy(&four, a + (size_t)m * group + k + 4 * (size_t)half, 4);
                    sum[m][j] = dot4(sum[m][j], weights, four);
                }
            }
        if (is8) break;
        UNROLL for (int j = 0; j < 4; j++) {
            __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)scales + g * panel) + j));
            UNROLL for (int m = 0; m < rows; m++) part[m][j] =
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[m][j]), scale, part[m][j]);
        }
    }
    UNROLL for (int j = 0; j < 4; j++) UNROLL for (int m = 0; m < rows; m++) {
        float *to = sums + m * panel + lanes8 * j;
        __m256 before = is_first ? _mm256_setzero_ps() : _mm256_load_ps(to), factor = _mm256_set1_ps(a_scales[m]);
        __m256 value = is8 ? _mm256_cvtepi32_ps(sum[m][j]) : part[m][j];
        if (is8) factor = _mm256_mul_ps(_mm256_loadu_ps((const float *)scales + lanes8 * j), factor);
        _mm256_store_ps(to, _mm256_fmadd_ps(value, factor, before));
    }
}

AVX2 ALWAYS void integer_panel(const int is8, const struct janus_weights *weights, const struct janus_activations *x,
                               size_t index, size_t row, size_t rows, float *sums) {
    size_t inputs = weights->inputs, group = weights->group, groups = inputs / group;
    size_t group_bytes = group * panel / (is8 ? 1 : 2), span = is8 ? 1 : int4_span(inputs);
    const uint8_t *w = (const uint8_t *)weights->values + index * groups * group_bytes;
    for (size_t g = 0; g < groups; g += span, w += span * group_bytes)
        for (size_t m = 0; m < rows; m += rows2)
            for (size_t side = 0; side < 2; side++) {
                size_t place = (index * groups + g) * panel + 32 * side;
                const void *scales = is8 ? (const void *)((const float *)weights->scales + place)
                                         : (const void *)((const uint16_t *)weights->scales + place);
                const int8_t *a = (const int8_t *)x->values + row * inputs + (g * rows + m) * group;
                const int32_t *starts = x->starts + row * groups + g * rows + m;
                const float *a_scales = x->scales + row * groups + g * rows + m;
                float *to = sums + m * panel + 32 * side;
                const uint8_t *from = w + 128 * side;
                if (rows - m >= rows2)
                    integer_part(2, is8, a, starts, a_scales, from, scales, group, span, rows, g == 0, to);
                else integer_part(1, is8, a, starts, a_scales, from, scales, group, span, rows, g == 0, to);
            }
}

// 32 outputs for one or two rows; a pair of inputs is two fused multiply-adds, the odd one first, as vdpbf16ps has it.
AVX2 ALWAYS void bf16_part(const int rows, const uint16_t *a, size_t a_stride, const uint16_t *w, size_t inputs,
                           int is_first, float *sums) {
    __m256 sum[rows2][4];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4; j++) sum[m][j] =
        is_first ? _mm256_setzero_ps() : _mm256_load_ps(sums + m * panel + lanes8 * j);
    for (size_t k = 0; k < inputs; k += 2, w += 2 * panel) UNROLL for (int m = 0; m < rows; m++) {
            uint32_t two;
            memcpy(&two, a + (size_t)m * a_stride + k, 4);
            __m256 odd = _mm256_set1_ps(float_of(two & 0xffff0000u)), even = _mm256_set1_ps(float_of(two << 16));
            UNROLL for (int j = 0; j < 4; j++) {
                __m256i pair = _mm256_loadu_si256((const __m256i *)w + j);
                __m256i high = _mm256_and_si256(pair, _mm256_set1_epi32((int)0xffff0000u));
                sum[m][j] = _mm256_fmadd_ps(_mm256_castsi256_ps(high), odd, sum[m][j]);
                sum[m][j] = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)), even, sum[m][j]);
            }
        }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4; j++)
        _mm256_store_ps(sums + m * panel + lanes8 * j, sum[m][j]);
}

AVX2 void janus_panel_avx2(const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                           size_t row, size_t rows, float *sums) {
    if (weights->precision == janus_precision_int8) return integer_panel(1, weights, x, index, row, rows, sums);
    if (weights->precision == janus_precision_int4) return integer_panel(0, weights, x, index, row, rows, sums);
    size_t inputs = weights->inputs;
    const uint16_t *w = (const uint16_t *)weights->values + index * panel * inputs;
    // Denormals to zero, in and out, as vdpbf16ps has it whatever the mode is.
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040);
    for (size_t first = 0, length; first < inputs; first += length, w += length * panel) {
        length = segment_length(x, inputs, first);
        for (size_t m = 0; m < rows; m += rows2)
            for (size_t side = 0; side < 2; side++) {
                size_t stride;
                const uint16_t *a = segment(x, inputs, row, rows, m, first, length, &stride);
                float *to = sums + m * panel + 32 * side;
                if (rows - m >= rows2) bf16_part(2, a, stride, w + 64 * side, length, first == 0, to);
                else bf16_part(1, a, stride, w + 64 * side, length, first == 0, to);
            }
    }
    _mm_setcsr(mode);
}
#endif
