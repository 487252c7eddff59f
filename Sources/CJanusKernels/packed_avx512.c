#include "packed.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#define BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c")))
#define ALWAYS static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { vectors = panel / 16, ahead_bytes = 8192, int4_tile_rows = 3, narrow_rows = 12 };

// One group of inputs: `rows` (a constant) rows of activations times 64 outputs, added to sums[rows][64]. Integers are
// exact, so only the last line rounds. At each step `lines` (a constant) cache lines are fetched from `next` on.
VNNI ALWAYS void int8_tile(const int rows, const int lines, const int8_t *a, const int32_t *starts,
                           const float *a_scales, const uint8_t *w, const float *scales, size_t group,
                           const char *next, int is_first, float *sums) {
    __m512i sum[tile_rows][vectors];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] =
        _mm512_set1_epi32(starts[m]);
    for (size_t k = 0; k < group; k += 4, w += 4 * panel, next += 64 * lines) {
        __m512i weights[vectors];
        UNROLL for (int j = 0; j < vectors; j++) weights[j] = _mm512_loadu_si512(w + 64 * j);
        UNROLL for (int line = 0; line < lines; line++) _mm_prefetch(next + 64 * line, _MM_HINT_T0);
        UNROLL for (int m = 0; m < rows; m++) {
            int32_t four;
            memcpy(&four, a + (size_t)m * group + k, 4);
            __m512i value = _mm512_set1_epi32(four);
            UNROLL for (int j = 0; j < vectors; j++) sum[m][j] = _mm512_dpbusd_epi32(sum[m][j], weights[j], value);
        }
    }
    UNROLL for (int j = 0; j < vectors; j++) {
        __m512 scale = _mm512_loadu_ps(scales + 16 * j);
        UNROLL for (int m = 0; m < rows; m++) {
            float *to = sums + m * panel + 16 * j;
            __m512 before = is_first ? _mm512_setzero_ps() : _mm512_load_ps(to);
            __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(a_scales[m]));
            _mm512_store_ps(to, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[m][j]), factor, before));
        }
    }
}

// int4: the groups of a span one after the other, for at most three rows, so that their sums stay in registers. A
// group's inputs and starts lie `apart` rows behind those of the one before.
VNNI ALWAYS void int4_tile(const int rows, const int lines, const int8_t *a, const int32_t *starts,
                           const float *a_scales, const uint8_t *w, const uint16_t *scales, size_t span, size_t apart,
                           const char *next, int is_first, float *sums) {
    __m512 part[int4_tile_rows][vectors];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) part[m][j] = _mm512_setzero_ps();
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i levels = _mm512_broadcast_i32x4(
        _mm_xor_si128(_mm_loadu_si128((const __m128i *)janus_int4_codebook), _mm_set1_epi8((char)128)));
    for (size_t g = 0; g < span; g++, a += apart * janus_int4_group, starts += apart, scales += panel) {
        __m512i sum[int4_tile_rows][vectors];
        UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] =
            _mm512_set1_epi32(starts[m]);
        for (size_t k = 0; k < janus_int4_group; k += 8, w += 4 * panel, next += 64 * lines) {
            UNROLL for (int line = 0; line < lines; line++) _mm_prefetch(next + 64 * line, _MM_HINT_T0);
            UNROLL for (int half = 0; half < 2; half++) UNROLL for (int j = 0; j < vectors; j++) {
                __m512i both = _mm512_loadu_si512(w + 64 * j);
                __m512i weights = _mm512_shuffle_epi8(
                    levels, _mm512_and_si512(half ? _mm512_srli_epi16(both, 4) : both, low));
                UNROLL for (int m = 0; m < rows; m++) {
                    int32_t four;
                    memcpy(&four, a + (size_t)m * janus_int4_group + k + 4 * (size_t)half, 4);
                    sum[m][j] = _mm512_dpbusd_epi32(sum[m][j], weights, _mm512_set1_epi32(four));
                }
            }
        }
        UNROLL for (int j = 0; j < vectors; j++) {
            __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)scales + j));
            UNROLL for (int m = 0; m < rows; m++) part[m][j] =
                _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[m][j]), scale, part[m][j]);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) {
        float *to = sums + m * panel + 16 * j;
        __m512 before = is_first ? _mm512_setzero_ps() : _mm512_load_ps(to);
        _mm512_store_ps(to, _mm512_fmadd_ps(part[m][j], _mm512_set1_ps(a_scales[m]), before));
    }
}

// The tiles of a block of rows use the same weights one after the other, and share the work of fetching the next as
// evenly as it goes: four lines a step together, the last of many tiles none.
JANUS_INLINE int lines_of(size_t tiles, size_t tile) {
    if (tiles == 1) return 4;
    if (tiles == 2) return 2;
    if (tiles == 3) return tile == 0 ? 2 : 1;
    return tile < 4 ? 1 : 0;
}
// What the tiles before it fetch, in quarters of the whole.
JANUS_INLINE size_t lines_before(size_t tiles, size_t tile) {
    size_t lines = 0;
    for (size_t i = 0; i < tile; i++) lines += (size_t)lines_of(tiles, i);
    return lines;
}

#define FOR_LINES(ROWS, CALL)                                                                                          \
    case ROWS:                                                                                                         \
        if (lines == 0) CALL(ROWS, 0);                                                                                 \
        else if (lines == 1) CALL(ROWS, 1);                                                                            \
        else if (lines == 2) CALL(ROWS, 2);                                                                            \
        else CALL(ROWS, 4);                                                                                            \
        break
#define FOR_ROWS(CALL)                                                                                                 \
    switch (count) {                                                                                                   \
        FOR_LINES(1, CALL);                                                                                            \
        FOR_LINES(2, CALL);                                                                                            \
        FOR_LINES(3, CALL);                                                                                            \
        FOR_LINES(4, CALL);                                                                                            \
        FOR_LINES(5, CALL);                                                                                            \
        FOR_LINES(6, CALL);                                                                                            \
    default: break;                                                                                                    \
    }

VNNI static void int8_panel(const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                            size_t row, size_t rows, float *sums) {
    size_t inputs = weights->inputs, group = weights->group, groups = inputs / group, tiles = tile_count(rows);
    const uint8_t *w = (const uint8_t *)weights->values + index * panel * inputs;
    const float *scales = (const float *)weights->scales + index * groups * panel;
    for (size_t g = 0; g < groups; g++, w += group * panel, scales += panel)
        for (size_t tile = 0; tile < tiles; tile++) {
            size_t start = tile_start(rows, tiles, tile), count = tile_start(rows, tiles, tile + 1) - start;
            const int8_t *a = (const int8_t *)x->values + row * inputs + (g * rows + start) * group;
            const int32_t *starts = x->starts + row * groups + g * rows + start;
            const float *a_scales = x->scales + row * groups + g * rows + start;
            // The first block of rows waits for memory; the others find the weights in the cache.
            int lines = row == 0 ? lines_of(tiles, tile) : 0;
            const char *next = (const char *)w + ahead_bytes + lines_before(tiles, tile) * group * panel / 4;
            float *to = sums + start * panel;
#define CALL(ROWS, LINES) int8_tile(ROWS, LINES, a, starts, a_scales, w, scales, group, next, g == 0, to)
            FOR_ROWS(CALL)
#undef CALL
        }
}

VNNI static void int4_panel(const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                            size_t row, size_t rows, float *sums) {
    size_t inputs = weights->inputs, group = janus_int4_group, groups = inputs / group, span = int4_span(inputs);
    size_t tiles = (rows + int4_tile_rows - 1) / int4_tile_rows, span_bytes = span * group * panel / 2;
    const uint8_t *w = (const uint8_t *)weights->values + index * panel * inputs / 2;
    const uint16_t *scales = (const uint16_t *)weights->scales + index * groups * panel;
    for (size_t g = 0; g < groups; g += span, w += span_bytes, scales += span * panel)
        for (size_t tile = 0; tile < tiles; tile++) {
            size_t start = tile_start(rows, tiles, tile), count = tile_start(rows, tiles, tile + 1) - start;
            const int8_t *a = (const int8_t *)x->values + row * inputs + (g * rows + start) * group;
            const int32_t *starts = x->starts + row * groups + g * rows + start;
            const float *a_scales = x->scales + row * groups + g * rows + start;
            int lines = row == 0 ? lines_of(tiles, tile) : 0;
            const char *next = (const char *)w + ahead_bytes + lines_before(tiles, tile) * span_bytes / 4;
            float *to = sums + start * panel;
#define CALL(ROWS, LINES) int4_tile(ROWS, LINES, a, starts, a_scales, w, scales, span, rows, next, g == 0, to)
            switch (count) {
                FOR_LINES(1, CALL);
                FOR_LINES(2, CALL);
                FOR_LINES(3, CALL);
            default: break;
            }
#undef CALL
        }
}

VNNI void janus_panel_vnni(const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                           size_t row, size_t rows, float *sums) {
    if (weights->precision == janus_precision_int8) int8_panel(weights, x, index, row, rows, sums);
    else int4_panel(weights, x, index, row, rows, sums);
}

BF16 ALWAYS void bf16_tile(const int rows, const int lines, const uint16_t *a, size_t a_stride, const uint16_t *w,
                           size_t inputs, const char *next, int is_first, float *sums) {
    __m512 sum[tile_rows][vectors];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] =
        is_first ? _mm512_setzero_ps() : _mm512_load_ps(sums + m * panel + 16 * j);
    for (size_t k = 0; k < inputs; k += 2, w += 2 * panel, next += 64 * lines) {
        __m512i weights[vectors];
        UNROLL for (int j = 0; j < vectors; j++) weights[j] = _mm512_loadu_si512(w + 32 * j);
        UNROLL for (int line = 0; line < lines; line++) _mm_prefetch(next + 64 * line, _MM_HINT_T0);
        UNROLL for (int m = 0; m < rows; m++) {
            int32_t two;
            memcpy(&two, a + (size_t)m * a_stride + k, 4);
            __m512bh value = (__m512bh)_mm512_set1_epi32(two);
            UNROLL for (int j = 0; j < vectors; j++) sum[m][j] =
                _mm512_dpbf16_ps(sum[m][j], (__m512bh)weights[j], value);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++)
        _mm512_store_ps(sums + m * panel + 16 * j, sum[m][j]);
}

// A panel with at most 16 outputs (a picture's three): one vector of them for many rows.
BF16 ALWAYS void bf16_narrow_tile(const int rows, const uint16_t *a, size_t a_stride, const uint16_t *w, size_t inputs,
                                  int is_first, float *sums) {
    __m512 sum[narrow_rows];
    UNROLL for (int m = 0; m < rows; m++) sum[m] = is_first ? _mm512_setzero_ps() : _mm512_load_ps(sums + m * panel);
    for (size_t k = 0; k < inputs; k += 2, w += 2 * panel) {
        __m512bh weights = (__m512bh)_mm512_loadu_si512(w);
        UNROLL for (int m = 0; m < rows; m++) {
            int32_t two;
            memcpy(&two, a + (size_t)m * a_stride + k, 4);
            sum[m] = _mm512_dpbf16_ps(sum[m], weights, (__m512bh)_mm512_set1_epi32(two));
        }
    }
    UNROLL for (int m = 0; m < rows; m++) _mm512_store_ps(sums + m * panel, sum[m]);
}

BF16 static void bf16_narrow_panel(const struct janus_weights *weights, const struct janus_activations *x,
                                   size_t index, size_t row, size_t rows, float *sums) {
    const uint16_t *w = (const uint16_t *)weights->values + index * panel * weights->inputs;
    for (size_t first = 0, length; first < weights->inputs; first += length, w += length * panel) {
        length = segment_length(x, weights->inputs, first);
        for (size_t m = 0, count; m < rows; m += count) {
            size_t stride;
            const uint16_t *a = segment(x, weights->inputs, row, rows, m, first, length, &stride);
            float *to = sums + m * panel;
            count = rows - m >= narrow_rows ? narrow_rows : 1;
            if (count == narrow_rows) bf16_narrow_tile(narrow_rows, a, stride, w, length, first == 0, to);
            else bf16_narrow_tile(1, a, stride, w, length, first == 0, to);
        }
    }
}

BF16 void janus_panel_bf16(const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                           size_t row, size_t rows, float *sums) {
    if (weights->outputs - index * panel <= 16) return bf16_narrow_panel(weights, x, index, row, rows, sums);
    size_t inputs = weights->inputs, tiles = tile_count(rows), length;
    const uint16_t *w = (const uint16_t *)weights->values + index * panel * inputs;
    for (size_t first = 0; first < inputs; first += length) {
        length = segment_length(x, inputs, first);
        for (size_t tile = 0; tile < tiles; tile++) {
            size_t start = tile_start(rows, tiles, tile), count = tile_start(rows, tiles, tile + 1) - start, stride;
            const uint16_t *a = segment(x, inputs, row, rows, start, first, length, &stride);
            const uint16_t *from = w + first * panel;
            int lines = row == 0 ? lines_of(tiles, tile) : 0;
            const char *next =
                (const char *)from + 2 * bf16_block * panel + lines_before(tiles, tile) * length * panel / 2;
            float *to = sums + start * panel;
#define CALL(ROWS, LINES) bf16_tile(ROWS, LINES, a, stride, from, length, next, first == 0, to)
            FOR_ROWS(CALL)
#undef CALL
        }
    }
}
#endif
