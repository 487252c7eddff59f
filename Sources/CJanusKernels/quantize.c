// Weights and activations to few bits. Every rounding is to nearest even, written so that it is the same everywhere.
#include "kernel.h"

JANUS_KERNEL void janus_bf16_from_f32(const float *source, uint16_t *target, size_t n) {
    for (size_t i = 0; i < n; i++) target[i] = bf16_of(source[i]);
}

// Where a row lies among the activations: its block begins at row `start`, which has `count` rows; it is the index-th.
struct place {
    size_t start, count, index;
};

JANUS_INLINE struct place place_of(size_t row, size_t rows) {
    size_t index = row % janus_packed_block_rows, start = row - index, left = rows - start;
    return (struct place){start, left < janus_packed_block_rows ? left : janus_packed_block_rows, index};
}

JANUS_KERNEL void janus_bf16_activations(const float *x, size_t stride, size_t first, size_t count, size_t rows,
                                         size_t inputs, size_t padded, uint16_t *values) {
    for (size_t row = first; row < first + count; row++) {
        struct place place = place_of(row, rows);
        const float *from = x + row * stride;
        for (size_t k = 0; k < padded; k += janus_bf16_segment) {
            size_t length = padded - k < janus_bf16_segment ? padded - k : janus_bf16_segment;
            size_t given = k >= inputs ? 0 : inputs - k < length ? inputs - k : length;
            uint16_t *to = values + place.start * padded + k * place.count + place.index * length;
            for (size_t i = 0; i < given; i++) to[i] = bf16_of(from[k + i]);
            for (size_t i = given; i < length; i++) to[i] = 0;
        }
    }
}

JANUS_KERNEL void janus_int8_activations(const float *x, size_t stride, size_t first, size_t count, size_t rows,
                                         size_t inputs, size_t padded, size_t activation_group, size_t group,
                                         int8_t *values, float *scales, int32_t *starts) {
    size_t groups = padded / group;
    for (size_t row = first; row < first + count; row++) {
        struct place place = place_of(row, rows);
        const float *from = x + row * stride;
        for (size_t k = 0; k < padded; k += activation_group) {
            size_t given = k >= inputs ? 0 : inputs - k < activation_group ? inputs - k : activation_group;
            uint32_t bits = greatest_bits(from + k, given);
            struct integer_scale own_scale = scale_of(bits, 127.0f);
            float scale = own_scale.scale, inverse = own_scale.inverse;
            if (bits >= infinity_bits) given = 0;
            for (size_t part = 0; part < activation_group; part += group) {
                size_t segment = place.start * groups + (k + part) / group * place.count + place.index;
                size_t own = given <= part ? 0 : given - part < group ? given - part : group;
                int8_t *to = values + segment * group;
                int32_t sum = 0;
                // summed before they are stored: narrowing stores can't be read back at once
                for (size_t i = 0; i < own; i++) {
                    int32_t value = nearest(from[k + part + i] * inverse);
                    to[i] = (int8_t)value;
                    sum += value;
                }
                memset(to + own, 0, group - own);
                scales[segment] = scale;
                starts[segment] = -128 * sum;
            }
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
