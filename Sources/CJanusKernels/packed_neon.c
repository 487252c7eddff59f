#include "packed.h"
#if defined(__aarch64__)
#include "neon.h"

// Rows that share a weight in registers; weights that are fetched before they are read, where rows are few.
enum { integer_rows_max = 8, bf16_rows_max = 4, ahead_integers = 8192, ahead_bf16 = 2 * bf16_block * panel };

// A line of weights is fetched while the first of its vectors is used. Narrower tiles have so many rows that the
// processor fetches fast enough by itself.
#define FETCH(vectors, j, from, ahead)                                                                                 \
    if ((vectors) >= 4 && (j) % 4 == 0) __builtin_prefetch((const char *)(from) + (ahead))

// One group of inputs: `rows` rows of activations times `vectors` · 4 outputs (constants), added to the sums. The offset
// of the weights is taken away from them, so sums begin at 0. Integers are exact: only the last line rounds.
NEON ALWAYS void int8_tile(const int rows, const int vectors, const int8_t *a, const float *a_scales, const uint8_t *w,
                           const float *scales, size_t group, size_t ahead, int is_first, float *sums) {
    const uint8x16_t offset = vdupq_n_u8(128);
    int32x4_t sum[integer_rows_max][16];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] = vdupq_n_s32(0);
    for (size_t k = 0; k < group; k += 16, w += 16 * panel) {
        int8x16_t value[integer_rows_max];
        UNROLL for (int m = 0; m < rows; m++) value[m] = vld1q_s8(a + (size_t)m * group + k);
        UNROLL for (int four = 0; four < 4; four++) UNROLL for (int j = 0; j < vectors; j++) {
            const uint8_t *from = w + four * 4 * panel + 16 * j;
            FETCH(vectors, j, from, ahead);
            int8x16_t weights = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(from), offset));
            UNROLL for (int m = 0; m < rows; m++) sum[m][j] = dot4(sum[m][j], weights, value[m], four);
        }
    }
    UNROLL for (int j = 0; j < vectors; j++) UNROLL for (int m = 0; m < rows; m++) {
        float *to = sums + m * panel + 4 * j;
        float32x4_t before = is_first ? vdupq_n_f32(0) : vld1q_f32(to);
        float32x4_t factor = vmulq_n_f32(vld1q_f32(scales + 4 * j), a_scales[m]);
        vst1q_f32(to, vfmaq_f32(before, vcvtq_f32_s32(sum[m][j]), factor));
    }
}

// int4: the groups of a span one after the other. A group's inputs lie `apart` rows behind those of the one before.
NEON ALWAYS void int4_tile(const int rows, const int vectors, const int8_t *a, const float *a_scales, const uint8_t *w,
                           const uint16_t *scales, size_t span, size_t apart, size_t ahead, int is_first, float *sums) {
    const int8x16_t levels = vld1q_s8(janus_int4_codebook);
    const uint8x16_t low = vdupq_n_u8(15);
    float32x4_t part[integer_rows_max][8];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) part[m][j] = vdupq_n_f32(0);
    for (size_t g = 0; g < span; g++, a += apart * janus_int4_group, scales += panel) {
        int32x4_t sum[integer_rows_max][8];
        UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] = vdupq_n_s32(0);
        for (size_t k = 0; k < janus_int4_group; k += 16, w += 8 * panel) {
            int8x16_t value[integer_rows_max];
            UNROLL for (int m = 0; m < rows; m++) value[m] = vld1q_s8(a + (size_t)m * janus_int4_group + k);
            UNROLL for (int eight = 0; eight < 2; eight++) UNROLL for (int j = 0; j < vectors; j++) {
                const uint8_t *from = w + eight * 4 * panel + 16 * j;
                FETCH(vectors, j, from, ahead);
                uint8x16_t both = vld1q_u8(from);
                int8x16_t first = vqtbl1q_s8(levels, vandq_u8(both, low));
                int8x16_t second = vqtbl1q_s8(levels, vshrq_n_u8(both, 4));
                UNROLL for (int m = 0; m < rows; m++) {
                    sum[m][j] = dot4(sum[m][j], first, value[m], 2 * eight);
                    sum[m][j] = dot4(sum[m][j], second, value[m], 2 * eight + 1);
                }
            }
        }
        UNROLL for (int j = 0; j < vectors; j++) {
            float32x4_t scale = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(scales + 4 * j)));
            UNROLL for (int m = 0; m < rows; m++) part[m][j] =
                vfmaq_f32(part[m][j], vcvtq_f32_s32(sum[m][j]), scale);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) {
        float *to = sums + m * panel + 4 * j;
        float32x4_t before = is_first ? vdupq_n_f32(0) : vld1q_f32(to);
        vst1q_f32(to, vfmaq_f32(before, part[m][j], vdupq_n_f32(a_scales[m])));
    }
}

// Columns of a panel that the result has.
JANUS_INLINE size_t width_of(const struct janus_weights *weights, size_t index) {
    size_t left = weights->outputs - index * panel;
    return left < panel ? left : panel;
}

// Some rows and what they are multiplied with: a group of int8, or a span of groups of int4 that lie `apart` rows.
struct integer_rows {
    const int8_t *a;
    const float *a_scales;
    size_t rows, apart;
    const uint8_t *w;
    const void *scales;
    size_t group, span, width, ahead;
    int is_first;
};

// Each with as many sums as the 32 registers hold beside a weight and the rows' activations.
NEON static void int8_rows(struct integer_rows r, float *sums) {
    const float *scales = r.scales;
#define INT8(ROWS, VECTORS)                                                                                            \
    for (size_t n = 0; n < r.width; n += 4 * VECTORS)                                                                  \
    int8_tile(ROWS, VECTORS, r.a, r.a_scales, r.w + 4 * n, scales + n, r.group, r.ahead, r.is_first, sums + n)
    switch (r.rows) {
    case 1: INT8(1, 16); break;
    case 2: INT8(2, 8); break;
    case 3: INT8(3, 4); break;
    case 4: INT8(4, 4); break;
    case 5: INT8(5, 4); break;
    case 6: INT8(6, 2); break;
    case 7: INT8(7, 2); break;
    case 8: INT8(8, 2); break;
    default: break;
    }
#undef INT8
}

NEON static void int4_rows(struct integer_rows r, float *sums) {
    const uint16_t *scales = r.scales;
#define INT4(ROWS, VECTORS)                                                                                            \
    for (size_t n = 0; n < r.width; n += 4 * VECTORS)                                                                  \
    int4_tile(ROWS, VECTORS, r.a, r.a_scales, r.w + 4 * n, scales + n, r.span, r.apart, r.ahead, r.is_first, sums + n)
    switch (r.rows) {
    case 1: INT4(1, 8); break;
    case 2: INT4(2, 4); break;
    case 3: INT4(3, 4); break;
    case 4: INT4(4, 2); break;
    case 5: INT4(5, 2); break;
    case 6: INT4(6, 1); break;
    case 7: INT4(7, 1); break;
    case 8: INT4(8, 1); break;
    default: break;
    }
#undef INT4
}

static void integer_panel(int is8, const struct janus_weights *weights, const struct janus_activations *x,
                          size_t index, size_t row, size_t rows, float *sums) {
    size_t inputs = weights->inputs, group = weights->group, groups = inputs / group;
    size_t group_bytes = group * panel / (is8 ? 1 : 2), tiles = (rows + integer_rows_max - 1) / integer_rows_max;
    const char *scales = weights->scales;
    size_t scale_bytes = is8 ? sizeof(float) : sizeof(uint16_t);
    // The first block of rows waits for memory; the others find the weights in the cache.
    struct integer_rows r = {.group = group, .span = is8 ? 1 : int4_span(inputs), .apart = rows,
                             .width = width_of(weights, index), .ahead = row == 0 ? ahead_integers : 0};
    for (size_t g = 0; g < groups; g += r.span) {
        r.w = (const uint8_t *)weights->values + (index * groups + g) * group_bytes;
        r.scales = scales + (index * groups + g) * panel * scale_bytes;
        r.is_first = g == 0;
        for (size_t tile = 0; tile < tiles; tile++) {
            size_t start = tile_start(rows, tiles, tile);
            r.rows = tile_start(rows, tiles, tile + 1) - start;
            r.a = (const int8_t *)x->values + row * inputs + (g * rows + start) * group;
            r.a_scales = x->scales + row * groups + g * rows + start;
            if (is8) int8_rows(r, sums + start * panel);
            else int4_rows(r, sums + start * panel);
        }
    }
}

// Some rows of a segment of bf16 inputs, added to their sums.
struct bf16_segment {
    const uint16_t *a, *w;
    size_t rows, a_stride, inputs, width, ahead;
    int is_first;
};

NEON ALWAYS void bf16_tile(const int rows, const int vectors, struct bf16_segment s, float *sums) {
    float32x4_t sum[bf16_rows_max][16];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++) sum[m][j] =
        s.is_first ? vdupq_n_f32(0) : vld1q_f32(sums + m * panel + 4 * j);
    for (size_t k = 0; k < s.inputs; k += 8, s.w += 8 * panel) {
        struct pairs value[bf16_rows_max];
        UNROLL for (int m = 0; m < rows; m++) value[m] = load_pairs(s.a + (size_t)m * s.a_stride + k);
        UNROLL for (int two = 0; two < 4; two++) UNROLL for (int j = 0; j < vectors; j++) {
            const uint16_t *from = s.w + two * 2 * panel + 8 * j;
            FETCH(vectors, j, from, s.ahead);
            struct pairs weights = load_pairs(from);
            UNROLL for (int m = 0; m < rows; m++) sum[m][j] = dot2(sum[m][j], weights, value[m], two);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++)
        vst1q_f32(sums + m * panel + 4 * j, sum[m][j]);
}

NEON static void bf16_rows(struct bf16_segment s, float *sums) {
    const uint16_t *w = s.w;
#define BF16(ROWS, VECTORS)                                                                                            \
    for (size_t n = 0; n < s.width; n += 4 * VECTORS, s.w = w + 2 * n) bf16_tile(ROWS, VECTORS, s, sums + n)
    switch (s.rows) {
    case 1: BF16(1, 16); break;
    case 2: BF16(2, 8); break;
    case 3: BF16(3, 4); break;
    case 4: BF16(4, 4); break;
    default: break;
    }
#undef BF16
}

// The same as the twin has it.
static void bf16_rows_slowly(struct bf16_segment s, float *sums) {
    for (size_t m = 0; m < s.rows; m++)
        for (size_t n = 0; n < s.width; n++) {
            float sum = s.is_first ? 0 : sums[m * panel + n];
            for (size_t k = 0; k < s.inputs; k += 2)
                sum = add_pair(sum, s.a + m * s.a_stride + k, s.w + (k / 2 * panel + n) * 2);
            sums[m * panel + n] = sum;
        }
}

static void bf16_rows_checked(struct bf16_segment s, float *sums) {
    float before[bf16_rows_max * panel];
    memcpy(before, sums, s.rows * panel * sizeof *sums);
    struct float_mode mode = begin_flushing();
    bf16_rows(s, sums);
    if (!end_flushing(mode)) return;
    memcpy(sums, before, s.rows * panel * sizeof *sums);
    bf16_rows_slowly(s, sums);
}

static void bf16_panel(int checks, const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                       size_t row, size_t rows, float *sums) {
    size_t inputs = weights->inputs, tiles = (rows + bf16_rows_max - 1) / bf16_rows_max;
    struct bf16_segment s = {.width = width_of(weights, index), .ahead = row == 0 ? ahead_bf16 : 0};
    for (size_t first = 0; first < inputs; first += s.inputs) {
        s.inputs = segment_length(x, inputs, first);
        s.is_first = first == 0;
        for (size_t tile = 0; tile < tiles; tile++) {
            size_t start = tile_start(rows, tiles, tile);
            s.rows = tile_start(rows, tiles, tile + 1) - start;
            s.a = segment(x, inputs, row, rows, start, first, s.inputs, &s.a_stride);
            s.w = (const uint16_t *)weights->values + (index * inputs + first) * panel;
            if (checks) bf16_rows_checked(s, sums + start * panel);
            else bf16_rows(s, sums + start * panel);
        }
    }
}

void janus_panel_neon(const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                           size_t row, size_t rows, float *sums) {
    if (weights->precision == janus_precision_int8) return integer_panel(1, weights, x, index, row, rows, sums);
    if (weights->precision == janus_precision_int4) return integer_panel(0, weights, x, index, row, rows, sums);
    struct float_mode mode = begin_flushing();
    bf16_panel(0, weights, x, index, row, rows, sums);
    // Sums are flushed while they are still about 0, in the first few inputs: few segments are made again.
    if (end_flushing(mode)) bf16_panel(1, weights, x, index, row, rows, sums);
}
#endif
