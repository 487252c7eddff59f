#include "kernel.h"

void janus_patches3x3(const float *x, size_t height, size_t width, size_t channels, size_t step, size_t pad,
                      size_t out_width, size_t first, size_t count, float *out) {
    for (size_t pixel = first; pixel < first + count; pixel++) {
        size_t row = pixel / out_width * step, column = pixel % out_width * step;
        for (size_t dy = 0; dy < 3; dy++) {
            // row + dy − pad, where the subtraction may leave the picture (then it wraps to a huge number)
            size_t y = row + dy - pad;
            for (size_t dx = 0; dx < 3; dx++, out += channels) {
                size_t column_in = column + dx - pad;
                if (y < height && column_in < width)
                    memcpy(out, x + (y * width + column_in) * channels, channels * sizeof(float));
                else
                    memset(out, 0, channels * sizeof(float));
            }
        }
    }
}

void janus_upsample2(const float *x, size_t width, size_t channels, size_t first, size_t count, float *y) {
    for (size_t row = first; row < first + count; row++) {
        const float *from = x + row / 2 * width * channels;
        float *to = y + row * 2 * width * channels;
        for (size_t column = 0; column < 2 * width; column++)
            memcpy(to + column * channels, from + column / 2 * channels, channels * sizeof(float));
    }
}

// Multiplied and divided in the order of the official code, so that truncation falls alike.
JANUS_KERNEL void janus_pixels_u8(const float *restrict x, uint8_t *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float value = (x[i] + 1.0f) / 2.0f * 255.0f;
        value = value > 0.0f ? value : 0.0f; // NaN too
        value = value < 255.0f ? value : 255.0f;
        y[i] = (uint8_t)value;
    }
}

enum { fill_wide = 128, fill_narrow = 32 };

// `count` (a constant) values of a pixel. Eight vectors of them side by side: the exponential is one long chain, and the
// processor does not look far enough ahead to find the next one by itself.
JANUS_INLINE void fill_swish(const size_t count, const float *restrict from, const float *restrict centre,
                             const float *restrict scale, const float *restrict shift, uint16_t *restrict to) {
    _Pragma("clang loop vectorize(enable) interleave_count(8)") for (size_t c = 0; c < count; c++) {
        float value = (from[c] - centre[c]) * scale[c] + shift[c];
        to[c] = bf16_of(value / (1.0f + exp_f32(-value)));
    }
}

JANUS_INLINE void fill_pixel(const float *restrict from, const float *restrict centre, const float *restrict scale,
                             const float *restrict shift, int swish, size_t channels, uint16_t *restrict to) {
    size_t c = 0;
    if (scale && swish) {
        for (; c + fill_wide <= channels; c += fill_wide)
            fill_swish(fill_wide, from + c, centre + c, scale + c, shift + c, to + c);
        for (; c < channels; c += fill_narrow)
            fill_swish(fill_narrow, from + c, centre + c, scale + c, shift + c, to + c);
    } else if (scale) {
        for (; c < channels; c++) to[c] = bf16_of((from[c] - centre[c]) * scale[c] + shift[c]);
    } else {
        for (; c < channels; c++) to[c] = bf16_of(from[c]);
    }
}

JANUS_KERNEL void janus_feature_map_fill(const float *x, const float *centre, const float *scale, const float *shift,
                                     int swish, size_t height, size_t width, size_t channels, size_t first,
                                     size_t count, uint16_t *rows) {
    size_t line = (width + 2) * channels;
    for (size_t row = first; row < first + count; row++, rows += line) {
        if (row == 0 || row > height) {
            memset(rows, 0, line * sizeof *rows);
            continue;
        }
        memset(rows, 0, channels * sizeof *rows);
        memset(rows + line - channels, 0, channels * sizeof *rows);
        const float *from = x + (row - 1) * width * channels;
        for (size_t column = 0; column < width; column++)
            fill_pixel(from + column * channels, centre, scale, shift, swish, channels, rows + (column + 1) * channels);
    }
}
