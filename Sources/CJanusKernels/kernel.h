// What the kernels share: vectors, and exp and erf without libm.
#pragma once
#pragma clang fp contract(off)
#include "CJanusKernels.h"
#include <string.h>

// One body, compiled for each level of the instruction set, chosen at load. The arithmetic is the same in all.
#if defined(__x86_64__)
#define JANUS_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define JANUS_KERNEL
#endif
#define JANUS_INLINE static inline __attribute__((always_inline))

enum { lanes = 16 };
typedef float lanes_f32 __attribute__((vector_size(64)));
typedef float lanes_f32_unaligned __attribute__((vector_size(64), aligned(4), may_alias));

#define LOAD16(p) ((lanes_f32)(*(const lanes_f32_unaligned *)(p)))

// The sum of 16 lanes as a fixed tree: halves are added to halves.
#define SUM16(v, result)                                                                                               \
    do {                                                                                                               \
        float s_[lanes];                                                                                               \
        memcpy(s_, &(v), sizeof s_);                                                                                   \
        for (int w_ = lanes / 2; w_ > 0; w_ /= 2)                                                                      \
            for (int i_ = 0; i_ < w_; i_++) s_[i_] += s_[i_ + w_];                                                     \
        (result) = s_[0];                                                                                              \
    } while (0)

JANUS_INLINE uint32_t bits_of(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

JANUS_INLINE float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

// To nearest even; NaN stays NaN.
JANUS_INLINE uint16_t bf16_of(float x) {
    uint32_t u = bits_of(x);
    uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? (u >> 16) | 0x40 : rounded);
}

// What vdpbf16ps makes of denormals, going in and coming out.
JANUS_INLINE float flushed(float x) { return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0, x) : x; }

// |x| < 2^22: adding 1.5 · 2^23 rounds to the nearest integer, to even between two.
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

// What integers up to `most` are multiplied with to give values up to a greatest, and its inverse. NaN and 0 where a value
// is not finite; zeros where all are so small that the inverse would overflow.
struct integer_scale {
    float scale, inverse;
};
static const uint32_t infinity_bits = 0x7f800000;
static const float least_greatest = 1e-36f;

JANUS_INLINE struct integer_scale scale_of(uint32_t bits, float most) {
    float greatest = float_of(bits);
    if (bits >= infinity_bits) return (struct integer_scale){float_of(0x7fc00000), 0};
    if (greatest < least_greatest) return (struct integer_scale){0, 0};
    return (struct integer_scale){greatest / most, most / greatest};
}

JANUS_INLINE float bf16_value(uint16_t half) { return flushed(float_of((uint32_t)half << 16)); }

// One of its fused multiply-adds. What is less than 2^-126 after rounding to 24 bits becomes 0, which a denormal of fewer
// bits does not tell: it may have been rounded up to 2^-126. f64 holds all bits that matter there.
JANUS_INLINE float fused(float a, float b, float sum) {
    float result = __builtin_fmaf(a, b, sum);
    if (!(__builtin_fabsf(result) <= 0x1p-126f)) return result;
    float scaled = (float)(((double)a * (double)b + (double)sum) * 0x1p64);
    return __builtin_fabsf(scaled) < 0x1p-62f ? __builtin_copysignf(0, result) : result;
}

// A pair of bf16, the odd ones first.
JANUS_INLINE float add_pair(float sum, const uint16_t *a, const uint16_t *b) {
    sum = fused(bf16_value(a[1]), bf16_value(b[1]), sum);
    return fused(bf16_value(a[0]), bf16_value(b[0]), sum);
}

// e^x: x = n ln 2 + r, a polynomial of degree 7 in r (Cephes), then 2^n as two factors, so that the result runs
// smoothly into denormals and infinity. NaN stays NaN.
JANUS_INLINE float exp_f32(float x) {
    const float low = -104.0f, high = 89.0f;
    const float magic = 12582912.0f; // 1.5 · 2^23: adding it rounds to an integer
    x = x < low ? low : x;
    x = x > high ? high : x;
    float t = x * 1.44269504088896341f + magic;
    float n = t - magic;
    float r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    int32_t exponent = (int32_t)(bits_of(t) - bits_of(magic));
    int32_t half = exponent >> 1;
    float a = float_of((uint32_t)(half + 127) << 23);
    float b = float_of((uint32_t)(exponent - half + 127) << 23);
    return p * a * b;
}

// erf as x · P(x²) / Q(x²) on [−4, 4], ±1 outside (the rational minimax form that Eigen and XLA use): 4 ulp.
JANUS_INLINE float erf_f32(float x) {
    const float limit = 4.0f;
    x = x < -limit ? -limit : x;
    x = x > limit ? limit : x;
    float s = x * x;
    float p = -2.72614225801306e-10f;
    p = p * s + 2.77068142495902e-08f;
    p = p * s + -2.10102402082508e-06f;
    p = p * s + -5.69250639462346e-05f;
    p = p * s + -7.34990630326855e-04f;
    p = p * s + -2.95459980854025e-03f;
    p = p * s + -1.60960333262415e-02f;
    float q = -1.45660718464996e-05f;
    q = q * s + -2.13374055278905e-04f;
    q = q * s + -1.68282697438203e-03f;
    q = q * s + -7.37332916720468e-03f;
    q = q * s + -1.42647390514189e-02f;
    return x * p / q;
}
