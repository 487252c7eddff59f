#include "kernel.h"

enum { sums = 8 }; // double lanes: enough to keep an f32 mean exact, and a fixed tree

JANUS_INLINE double tree(double *s) {
    for (int w = sums / 2; w > 0; w /= 2)
        for (int i = 0; i < w; i++) s[i] += s[i + w];
    return s[0];
}

JANUS_INLINE double sum_of(const float *x, size_t n) {
    double s[sums] = {0};
    size_t whole = n - n % sums;
    for (size_t i = 0; i < whole; i += sums)
        for (int j = 0; j < sums; j++) s[j] += (double)x[i + (size_t)j];
    for (size_t i = whole; i < n; i++) s[i - whole] += (double)x[i];
    return tree(s);
}

JANUS_INLINE double squares_of(const float *x, size_t n, double mean) {
    double s[sums] = {0};
    size_t whole = n - n % sums;
    for (size_t i = 0; i < whole; i += sums)
        for (int j = 0; j < sums; j++) {
            double d = (double)x[i + (size_t)j] - mean;
            s[j] += d * d;
        }
    for (size_t i = whole; i < n; i++) {
        double d = (double)x[i] - mean;
        s[i - whole] += d * d;
    }
    return tree(s);
}

JANUS_KERNEL void janus_rms_norm(const float *restrict x, const float *restrict weight, float *restrict y, size_t n,
                                 float epsilon) {
    if (n == 0) return;
    float factor = (float)(1.0 / __builtin_sqrt(squares_of(x, n, 0) / (double)n + (double)epsilon));
    for (size_t i = 0; i < n; i++) y[i] = x[i] * factor * weight[i];
}

JANUS_KERNEL void janus_layer_norm(const float *restrict x, const float *restrict weight, const float *restrict bias,
                                   float *restrict y, size_t n, float epsilon) {
    if (n == 0) return;
    double mean = sum_of(x, n) / (double)n;
    float factor = (float)(1.0 / __builtin_sqrt(squares_of(x, n, mean) / (double)n + (double)epsilon));
    float centre = (float)mean;
    for (size_t i = 0; i < n; i++) y[i] = (x[i] - centre) * factor * weight[i] + bias[i];
}

JANUS_KERNEL void janus_channel_sums(const float *restrict x, size_t rows, size_t channels, double *restrict s) {
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < channels; c++) {
            double value = (double)x[r * channels + c];
            s[c] += value;
            s[channels + c] += value * value;
        }
}

JANUS_KERNEL void janus_channel_affine(const float *restrict x, const float *restrict centre,
                                       const float *restrict scale, const float *restrict shift, float *restrict y, size_t rows, size_t channels,
                                       int swish) {
    for (size_t r = 0; r < rows; r++) {
        const float *from = x + r * channels;
        float *to = y + r * channels;
        if (swish)
            for (size_t c = 0; c < channels; c++) {
                float value = (from[c] - centre[c]) * scale[c] + shift[c];
                to[c] = value / (1.0f + exp_f32(-value));
            }
        else
            for (size_t c = 0; c < channels; c++) to[c] = (from[c] - centre[c]) * scale[c] + shift[c];
    }
}

JANUS_KERNEL void janus_l2_normalize(float *x, size_t n) {
    double length = __builtin_sqrt(squares_of(x, n, 0));
    float divisor = (float)(length > 1e-12 ? length : 1e-12);
    for (size_t i = 0; i < n; i++) x[i] /= divisor;
}
