#include "kernel.h"

// Functions that are one long chain of operations run on eight vectors side by side: the processor does not look far
// enough ahead to find the next one by itself.
#define SIDE_BY_SIDE _Pragma("clang loop vectorize(enable) interleave_count(8)")

JANUS_KERNEL void janus_gelu(float *x, size_t n) {
    SIDE_BY_SIDE for (size_t i = 0; i < n; i++) x[i] = 0.5f * x[i] * (1.0f + erf_f32(x[i] * 0.70710678118654752f));
}

JANUS_KERNEL void janus_swish(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = x[i] / (1.0f + exp_f32(-x[i]));
}

JANUS_KERNEL void janus_swish_multiply(float *restrict gate, const float *restrict up, size_t n) {
    SIDE_BY_SIDE for (size_t i = 0; i < n; i++) gate[i] = gate[i] / (1.0f + exp_f32(-gate[i])) * up[i];
}

JANUS_KERNEL void janus_add(float *restrict x, const float *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

// NaN anywhere makes the sum, and so every result, NaN: the caller sees it.
JANUS_INLINE void softmax_row(float *x, size_t n, float scale) {
    if (n == 0) return;
    float maxima[lanes];
    for (int j = 0; j < lanes; j++) maxima[j] = x[0] * scale;
    size_t whole = n - n % lanes;
    for (size_t i = 0; i < whole; i += lanes)
        for (int j = 0; j < lanes; j++) {
            float value = x[i + (size_t)j] * scale;
            maxima[j] = value > maxima[j] ? value : maxima[j];
        }
    for (size_t i = whole; i < n; i++) {
        float value = x[i] * scale;
        maxima[i - whole] = value > maxima[i - whole] ? value : maxima[i - whole];
    }
    float maximum = maxima[0];
    for (int j = 1; j < lanes; j++) maximum = maxima[j] > maximum ? maxima[j] : maximum;
    for (size_t i = 0; i < n; i++) x[i] = exp_f32(x[i] * scale - maximum);
    lanes_f32 sums = {0};
    for (size_t i = 0; i < whole; i += lanes) sums += LOAD16(x + i);
    for (size_t i = whole; i < n; i++) sums[i - whole] += x[i];
    float sum;
    SUM16(sums, sum);
    float factor = 1.0f / sum;
    for (size_t i = 0; i < n; i++) x[i] *= factor;
}

JANUS_KERNEL void janus_softmax(float *x, size_t n, float scale) { softmax_row(x, n, scale); }

JANUS_KERNEL void janus_rope(float *x, const float *restrict cosines, const float *restrict sines, size_t heads,
                             size_t size) {
    size_t half = size / 2;
    for (size_t h = 0; h < heads; h++) {
        float *restrict first = x + h * size;
        float *restrict second = first + half;
        for (size_t i = 0; i < half; i++) {
            float a = first[i], b = second[i];
            first[i] = a * cosines[i] - b * sines[i];
            second[i] = b * cosines[i] + a * sines[i];
        }
    }
}

// Keys and values of one head lie `stride` apart. Positions ascend in every sum.
JANUS_KERNEL void janus_attend(const float *query, const float *keys, const float *values, size_t stride,
                               size_t positions, size_t size, float scale, float *scores, float *out) {
    size_t whole = size - size % lanes;
    for (size_t p = 0; p < positions; p++) {
        const float *key = keys + p * stride;
        lanes_f32 sums = {0};
        for (size_t i = 0; i < whole; i += lanes) sums += LOAD16(query + i) * LOAD16(key + i);
        for (size_t i = whole; i < size; i++) sums[i - whole] += query[i] * key[i];
        SUM16(sums, scores[p]);
    }
    softmax_row(scores, positions, scale);
    size_t i = 0;
    for (; i + 4 * lanes <= size; i += 4 * lanes) {
        lanes_f32 a = {0}, b = {0}, c = {0}, d = {0};
        for (size_t p = 0; p < positions; p++) {
            const float *value = values + p * stride + i;
            a += scores[p] * LOAD16(value);
            b += scores[p] * LOAD16(value + lanes);
            c += scores[p] * LOAD16(value + 2 * lanes);
            d += scores[p] * LOAD16(value + 3 * lanes);
        }
        memcpy(out + i, &a, sizeof a);
        memcpy(out + i + lanes, &b, sizeof b);
        memcpy(out + i + 2 * lanes, &c, sizeof c);
        memcpy(out + i + 3 * lanes, &d, sizeof d);
    }
    for (size_t j = i; j < size; j++) out[j] = 0;
    for (size_t p = 0; p < positions && i < size; p++)
        for (size_t j = i; j < size; j++) out[j] += scores[p] * values[p * stride + j];
}
