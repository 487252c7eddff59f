// What the NEON kernels share: products of lanes, and pairs of bf16 whose denormals are zero.
#pragma once
#include "kernel.h"
#include <arm_neon.h>

#define NEON __attribute__((target("dotprod")))
#define ALWAYS static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

// Four products of bytes for each of four sums, with the lane-th four bytes of a.
NEON ALWAYS int32x4_t dot4(int32x4_t sum, int8x16_t weights, int8x16_t a, const int lane) {
    switch (lane) {
    case 0: return vdotq_laneq_s32(sum, weights, a, 0);
    case 1: return vdotq_laneq_s32(sum, weights, a, 1);
    case 2: return vdotq_laneq_s32(sum, weights, a, 2);
    default: return vdotq_laneq_s32(sum, weights, a, 3);
    }
}

// Four pairs of bf16: the odd values stand in the upper halves of the lanes already, the even ones are shifted there.
struct pairs {
    float32x4_t even, odd;
};

NEON ALWAYS struct pairs load_pairs(const uint16_t *from) {
    uint32x4_t both = vreinterpretq_u32_u16(vld1q_u16(from));
    return (struct pairs){vreinterpretq_f32_u32(vshlq_n_u32(both, 16)),
                          vreinterpretq_f32_u32(vandq_u32(both, vdupq_n_u32(0xffff0000u)))};
}

// A pair is two fused multiply-adds, the odd one first, as vdpbf16ps has it (BFDOT rounds otherwise).
NEON ALWAYS float32x4_t dot2(float32x4_t sum, struct pairs weights, struct pairs a, const int lane) {
    switch (lane) {
    case 0: return vfmaq_laneq_f32(vfmaq_laneq_f32(sum, weights.odd, a.odd, 0), weights.even, a.even, 0);
    case 1: return vfmaq_laneq_f32(vfmaq_laneq_f32(sum, weights.odd, a.odd, 1), weights.even, a.even, 1);
    case 2: return vfmaq_laneq_f32(vfmaq_laneq_f32(sum, weights.odd, a.odd, 2), weights.even, a.even, 2);
    default: return vfmaq_laneq_f32(vfmaq_laneq_f32(sum, weights.odd, a.odd, 3), weights.even, a.even, 3);
    }
}

// How many rows of attention (queries, or their weights) share the keys or the values in registers.
ALWAYS size_t shared_by(size_t rows) { return rows >= 4 ? 4 : rows >= 2 ? 2 : 1; }

// Denormals to zero, in and out. ARM decides before it rounds what is a denormal, vdpbf16ps and its twin after: they
// differ where a result is rounded up to 2^-126. So whoever uses this mode asks at its end whether any result was flushed
// (ARM keeps that in mind, and it is as good as never), and takes the twin's way where one was.
struct float_mode {
    uint64_t control, status;
};

enum { flush_to_zero = 1 << 24, underflow = 1 << 3 };

ALWAYS struct float_mode begin_flushing(void) {
    struct float_mode before;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(before.control), "=r"(before.status) : : "memory");
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, xzr" : : "r"(before.control | flush_to_zero) : "memory");
    return before;
}

// Back to the mode of before; whether a result was flushed.
ALWAYS int end_flushing(struct float_mode before) {
    uint64_t status;
    __asm__ volatile("mrs %0, fpsr" : "=r"(status) : : "memory");
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(before.control), "r"(before.status) : "memory");
    return (status & underflow) != 0;
}
