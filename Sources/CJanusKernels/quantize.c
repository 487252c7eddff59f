// Weights and activations to few bits. Every rounding is to nearest even, written so that it is the same everywhere.
#include "JanusPacked.h"
#include "kernel.h"

// |x| < 2^22: adding 1.5 · 2^23 rounds to an integer.
JANUS_INLINE int32_t nearest(float x) {
    const float magic = 12582912.0f;
    return (int32_t)bits_of(x + magic) - (int32_t)bits_of(magic);
}

// The bits of the greatest absolute value: integers order them as numbers, then infinity, then NaN.
JANUS_INLINE uint32_t greatest_bits(const float *x, size_t n) {
    uint32_t greatest = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]) & 0x7fffffff;
        greatest = u > greatest ? u : greatest;
    }
    return greatest;
}

static const uint32_t infinity_bits = 0x7f800000;
static const float least_greatest = 1e-36f; // below it a group counts as zero: its reciprocal would overflow

JANUS_KERNEL void janus_bf16_from_f32(const float *source, uint16_t *target, size_t n) {
    for (size_t i = 0; i < n; i++) target[i] = bf16_of(source[i]);
}

JANUS_KERNEL void janus_bf16_activations(const float *x, size_t stride, size_t rows, size_t inputs, size_t padded,
                                         uint16_t *values) {
    for (size_t row = 0; row < rows; row++, x += stride, values += padded) {
        for (size_t i = 0; i < inputs; i++) values[i] = bf16_of(x[i]);
        for (size_t i = inputs; i < padded; i++) values[i] = 0;
    }
}

JANUS_KERNEL void janus_int8_activations(const float *x, size_t stride, size_t rows, size_t inputs, size_t padded,
                                         size_t activation_group, size_t group, int8_t *values, float *scales,
                                         int32_t *starts) {
    for (size_t row = 0; row < rows; row++, x += stride, values += padded)
        for (size_t first = 0; first < padded; first += activation_group) {
            size_t last = first + activation_group < inputs ? first + activation_group : inputs;
            size_t count = last > first ? last - first : 0;
            uint32_t bits = greatest_bits(x + first, count);
            float greatest = float_of(bits), scale = greatest / 127.0f, inverse = 127.0f / greatest;
            if (bits >= infinity_bits) {
                scale = float_of(0x7fc00000);
                inverse = 0;
            } else if (greatest < least_greatest) {
                scale = inverse = 0;
            }
            int8_t *to = values + first;
            if (bits >= infinity_bits) memset(to, 0, count);
            else
                for (size_t i = 0; i < count; i++) to[i] = (int8_t)nearest(x[first + i] * inverse);
            memset(to + count, 0, activation_group - count);
            for (size_t part = 0; part < activation_group; part += group) {
                int32_t sum = 0;
                for (size_t i = 0; i < group; i++) sum += to[part + i];
                *scales++ = scale;
                *starts++ = -128 * sum;
            }
        }
}

int janus_bf16_pack(const float *w, size_t stride, size_t outputs, size_t inputs, size_t padded, uint16_t *values) {
    int bad = 0;
    memset(values, 0, padded * janus_panel_outputs * sizeof *values);
    for (size_t n = 0; n < outputs; n++) {
        bad |= greatest_bits(w + n * stride, inputs) >= infinity_bits;
        for (size_t k = 0; k < inputs; k++)
            values[(k / 2 * janus_panel_outputs + n) * 2 + k % 2] = bf16_of(w[n * stride + k]);
    }
    return bad;
}

int janus_int8_pack(const float *w, size_t stride, size_t outputs, size_t inputs, size_t padded, size_t group,
                    uint8_t *values, float *scales) {
    int bad = 0;
    memset(values, 128, padded * janus_panel_outputs);
    memset(scales, 0, padded / group * janus_panel_outputs * sizeof *scales);
    for (size_t n = 0; n < outputs; n++)
        for (size_t first = 0; first < inputs; first += group) {
            const float *from = w + n * stride;
            size_t last = first + group < inputs ? first + group : inputs;
            uint32_t bits = greatest_bits(from + first, last - first);
            float greatest = float_of(bits);
            if (bits >= infinity_bits) bad = 1;
            if (bits >= infinity_bits || greatest < least_greatest) continue;
            float inverse = 127.0f / greatest;
            scales[first / group * janus_panel_outputs + n] = greatest / 127.0f;
            for (size_t k = first; k < last; k++)
                values[(k / 4 * janus_panel_outputs + n) * 4 + k % 4] = (uint8_t)(128 + nearest(from[k] * inverse));
        }
    return bad;
}
