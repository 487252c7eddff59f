#include "packed.h"

// The scalar twin: what every other version must equal bit for bit.

static float dot_bf16(const struct janus_weights *weights, const struct janus_activations *x, size_t row, size_t rows,
                      size_t m, const uint16_t *panel_values, size_t n) {
    float sum = 0;
    size_t length;
    for (size_t first = 0; first < weights->inputs; first += length) {
        length = segment_length(x, weights->inputs, first);
        size_t stride;
        const uint16_t *a = segment(x, weights->inputs, row, rows, m, first, length, &stride);
        for (size_t k = 0; k < length; k += 2)
            sum = add_pair(sum, a + k, panel_values + ((first + k) / 2 * panel + n) * 2);
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
                sums[m * panel + n] = dot_bf16(weights, x, row, rows, m,
                                               (const uint16_t *)weights->values + index * panel * inputs, n);
                continue;
            }
            int is8 = weights->precision == janus_precision_int8;
            const uint8_t *values = (const uint8_t *)weights->values + index * panel * inputs / (is8 ? 1 : 2);
            size_t span = is8 ? 1 : int4_span(inputs);
            float sum = 0, part = 0;
            for (size_t g = 0; g < groups; g++) {
                size_t own = row * groups + g * rows + m;
                int32_t exact = x->starts[own];
                const int8_t *a = (const int8_t *)x->values + own * weights->group;
                for (size_t k = 0; k < weights->group; k++)
                    exact += a[k] * weight_at(weights, values, n, g * weights->group + k);
                size_t place = (index * groups + g) * panel + n;
                if (is8) {
                    float scale = ((const float *)weights->scales)[place];
                    sum = __builtin_fmaf((float)exact, scale * x->scales[own], sum);
                    continue;
                }
                part = __builtin_fmaf((float)exact, f32_of_f16(((const uint16_t *)weights->scales)[place]), part);
                if ((g + 1) % span != 0) continue;
                sum = __builtin_fmaf(part, x->scales[own], sum);
                part = 0;
            }
            sums[m * panel + n] = sum;
        }
}

static janus_panel_product *version(int isa, int precision) {
    (void)precision;
#if defined(__x86_64__)
    if (precision == janus_precision_bf16 && isa >= janus_isa_avx512_bf16) return janus_panel_bf16;
    if (precision != janus_precision_bf16 && isa >= janus_isa_avx512_vnni) return janus_panel_vnni;
    if (isa >= janus_isa_avx2) return janus_panel_avx2;
#elif defined(__aarch64__)
    if (isa == janus_isa_neon) return janus_panel_neon;
#endif
    return janus_panel_scalar;
}

// A sum leaves for the result: what was there, plus the bias, plus the sum.
JANUS_KERNEL void janus_packed_flush(const float *restrict sums, size_t rows, size_t width, const float *restrict bias,
                                     float *restrict out, size_t out_stride, int accumulate) {
    for (size_t m = 0; m < rows; m++, sums += panel, out += out_stride) {
        if (bias && accumulate)
            for (size_t n = 0; n < width; n++) out[n] = (out[n] + bias[n]) + sums[n];
        else if (bias)
            for (size_t n = 0; n < width; n++) out[n] = bias[n] + sums[n];
        else if (accumulate)
            for (size_t n = 0; n < width; n++) out[n] += sums[n];
        else
            for (size_t n = 0; n < width; n++) out[n] = sums[n];
    }
}

void janus_packed_product(int isa, const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                          size_t first, size_t rows, const float *bias, float *out, size_t out_stride, int accumulate) {
    janus_panel_product *product = version(isa, weights->precision);
    _Alignas(64) float sums[block_rows * panel];
    size_t output = index * panel, end = first + rows, count;
    size_t width = weights->outputs - output < panel ? weights->outputs - output : panel;
    for (size_t row = first; row < end; row += count) {
        count = end - row < block_rows ? end - row : block_rows;
        size_t place = row, step = 1;
        if (x->feature_map) {
            size_t out_width = x->feature_map->out_width, column = row % out_width, left = out_width - column;
            count = left < count ? left : count;
            step = x->feature_map->out_step;
            place = row / out_width * step * (step * out_width) + column * step;
        }
        product(weights, x, index, row, count, sums);
        janus_packed_flush(sums, count, width, bias ? bias + output : 0, out + place * out_stride + output,
                           step * out_stride, accumulate);
    }
}
