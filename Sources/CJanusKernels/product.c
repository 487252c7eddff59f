#include "kernel.h"

// `block` rows of w against `rows` rows of x: every value of w is loaded once and used for all rows.
#define THIN_BLOCK(ROWS, BLOCK)                                                                                        \
    do {                                                                                                               \
        lanes_f32 sums[ROWS][BLOCK];                                                                                   \
        for (int m = 0; m < ROWS; m++)                                                                                 \
            for (int b = 0; b < BLOCK; b++) sums[m][b] = (lanes_f32){0};                                               \
        for (size_t i = 0; i < whole; i += lanes) {                                                                    \
            lanes_f32 weights[BLOCK];                                                                                  \
            for (int b = 0; b < BLOCK; b++) weights[b] = LOAD16(w + (size_t)b * w_stride + i);                         \
            for (int m = 0; m < ROWS; m++) {                                                                           \
                lanes_f32 value = LOAD16(x + (size_t)m * x_stride + i);                                                \
                for (int b = 0; b < BLOCK; b++) sums[m][b] += value * weights[b];                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int m = 0; m < ROWS; m++)                                                                                 \
            for (int b = 0; b < BLOCK; b++) {                                                                          \
                lanes_f32 v = sums[m][b];                                                                              \
                for (size_t i = whole; i < k; i++)                                                                     \
                    v[i - whole] += x[(size_t)m * x_stride + i] * w[(size_t)b * w_stride + i];                         \
                float total;                                                                                           \
                SUM16(v, total);                                                                                       \
                float *to = out + (size_t)m * out_stride + b;                                                          \
                *to = accumulate ? *to + total : total;                                                                \
            }                                                                                                          \
    } while (0)

#define THIN_ROWS(ROWS, BLOCK)                                                                                         \
    case ROWS:                                                                                                         \
        for (; n >= BLOCK; n -= BLOCK, w += BLOCK * w_stride, out += BLOCK) THIN_BLOCK(ROWS, BLOCK);                   \
        for (; n > 0; n--, w += w_stride, out++) THIN_BLOCK(ROWS, 1);                                                  \
        break

JANUS_KERNEL void janus_thin_product(const float *x, size_t x_stride, const float *w, size_t w_stride, float *out,
                                     size_t out_stride, size_t rows, size_t n, size_t k, int accumulate) {
    size_t whole = k - k % lanes;
    switch (rows) {
        THIN_ROWS(1, 4);
        THIN_ROWS(2, 4);
        THIN_ROWS(3, 4);
        THIN_ROWS(4, 4);
        THIN_ROWS(5, 4);
        THIN_ROWS(6, 4);
        THIN_ROWS(7, 3);
        THIN_ROWS(8, 3);
    default: break;
    }
}
