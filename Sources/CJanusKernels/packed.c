#include "packed.h"

// The scalar twin: what every other version must equal bit for bit.

// x is the block's; its rows lie together, segment after segment.
static float dot_bf16(const struct janus_weights *weights, const uint16_t *x, size_t row, size_t rows,
                      const uint16_t *panel_values, size_t n) {
    float sum = 0;
    for (size_t k = 0; k < weights->inputs; k += 2) {
        size_t first = k / bf16_block * bf16_block;
        size_t length = weights->inputs - first < bf16_block ? weights->inputs - first : bf16_block;
        const uint16_t *a = x + first * rows + row * length + (k - first);
        const uint16_t *w = panel_values + (k / 2 * panel + n) * 2;
        sum = flushed(__builtin_fmaf(bf16_value(a[1]), bf16_value(w[1]), sum));
        sum = flushed(__builtin_fmaf(bf16_value(a[0]), bf16_value(w[0]), sum));
    }
    return sum;
}

static int32_t weight_at(const struct janus_weights *weights, const uint8_t *values, size_t n, size_t k) {
    if (weights->precision == janus_precision_int8) return values[(k / 4 * panel + n) * 4 + k % 4];
    uint8_t pair = values[(k / 8 * panel + n) * 4 + k % 4];
    return janus_int4_codebook[k % 8 < 4 ? pair & 15 : pair >> 4] + 128;
}

void janus_panel_scalar(const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                        size_t row, size_t rows, float *sums) {
    size_t inputs = weights->inputs, groups = inputs / (weights->group ? weights->group : inputs);
    for (size_t m = 0; m < rows; m++)
        for (size_t n = 0; n < panel; n++) {
            if (weights->precision == janus_precision_bf16) {
                sums[m * panel + n] = dot_bf16(weights, (const uint16_t *)x->values + row * inputs, m, rows,
                                               (const uint16_t *)weights->values + index * panel * inputs, n);
                continue;
            }
            int is8 = weights->precision == janus_precision_int8;
            const uint8_t *values = (const uint8_t *)weights->values + index * panel * inputs / (is8 ? 1 : 2);
            float sum = 0;
            for (size_t g = 0; g < groups; g++) {
                size_t own = row * groups + g * rows + m;
                int32_t exact = x->starts[own];
                const int8_t *a = (const int8_t *)x->values + own * weights->group;
                for (size_t k = 0; k < weights->group; k++)
                    exact += a[k] * weight_at(weights, values, n, g * weights->group + k);
                size_t place = (index * groups + g) * panel + n;
                float scale = is8 ? ((const float *)weights->scales)[place]
                                  : f32_of_f16(((const uint16_t *)weights->scales)[place]);
                sum = __builtin_fmaf((float)exact, scale * x->scales[own], sum);
            }
            sums[m * panel + n] = sum;
        }
}

static janus_panel_product *version(int isa, int precision) {
#if defined(__x86_64__)
    if (precision == janus_precision_bf16 && isa >= janus_isa_avx512_bf16) return janus_panel_bf16;
    if (precision != janus_precision_bf16 && isa >= janus_isa_avx512_vnni) return janus_panel_vnni;
    if (isa >= janus_isa_avx2) return janus_panel_avx2;
#endif
    return janus_panel_scalar;
}

void janus_packed_product(int isa, const struct janus_weights *weights, const struct janus_activations *x,
                          size_t first, size_t panels, float *out, size_t out_stride, int accumulate) {
    janus_panel_product *product = version(isa, weights->precision);
    _Alignas(64) float sums[block_rows * panel];
    for (size_t index = first; index < first + panels; index++) {
        size_t output = index * panel;
        size_t width = weights->outputs - output < panel ? weights->outputs - output : panel;
        for (size_t row = 0; row < x->rows; row += block_rows) {
            size_t rows = x->rows - row < block_rows ? x->rows - row : block_rows;
            product(weights, x, index, row, rows, sums);
            for (size_t m = 0; m < rows; m++) {
                float *to = out + (row + m) * out_stride + output;
                const float *from = sums + m * panel;
                if (accumulate)
                    for (size_t n = 0; n < width; n++) to[n] += from[n];
                else memcpy(to, from, width * sizeof *to);
            }
        }
    }
}
