// What the machine can do at most, for the benchmark to compare with.
#include "kernel.h"
#if defined(__x86_64__)
#include <immintrin.h>
#define WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")))
#define UNROLL _Pragma("clang loop unroll(full)")

WIDE static uint64_t int8_wide(size_t rounds) {
    __m512i sum[24];
    UNROLL for (int i = 0; i < 24; i++) sum[i] = _mm512_set1_epi32(i);
    __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
    for (size_t r = 0; r < rounds; r++) UNROLL for (int i = 0; i < 24; i++) {
            sum[i] = _mm512_dpbusd_epi32(sum[i], a, b);
            __asm__ volatile("" : "+v"(sum[i]));
        }
    return rounds * 24 * 64 * 2;
}

WIDE static uint64_t bf16_wide(size_t rounds) {
    __m512 sum[24];
    UNROLL for (int i = 0; i < 24; i++) sum[i] = _mm512_set1_ps((float)i);
    __m512bh a = (__m512bh)_mm512_set1_epi32(0x3f803f80);
    for (size_t r = 0; r < rounds; r++) UNROLL for (int i = 0; i < 24; i++) {
            sum[i] = _mm512_dpbf16_ps(sum[i], a, a);
            __asm__ volatile("" : "+v"(sum[i]));
        }
    return rounds * 24 * 32 * 2;
}

WIDE static uint64_t f32_wide(size_t rounds) {
    __m512 sum[24];
    UNROLL for (int i = 0; i < 24; i++) sum[i] = _mm512_set1_ps((float)i);
    __m512 a = _mm512_set1_ps(0.5f);
    for (size_t r = 0; r < rounds; r++) UNROLL for (int i = 0; i < 24; i++) {
            sum[i] = _mm512_fmadd_ps(sum[i], a, a);
            __asm__ volatile("" : "+v"(sum[i]));
        }
    return rounds * 24 * 16 * 2;
}
#elif defined(__aarch64__)
#include "neon.h"

NEON static uint64_t int8_wide(size_t rounds) {
    int32x4_t sum[24];
    UNROLL for (int i = 0; i < 24; i++) sum[i] = vdupq_n_s32(i);
    int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
    for (size_t r = 0; r < rounds; r++) UNROLL for (int i = 0; i < 24; i++) {
            sum[i] = vdotq_laneq_s32(sum[i], a, b, 0);
            __asm__ volatile("" : "+w"(sum[i]));
        }
    return rounds * 24 * 16 * 2;
}

// bf16 too: it is widened, and each product is an f32's.
NEON static uint64_t f32_wide(size_t rounds) {
    float32x4_t sum[24];
    UNROLL for (int i = 0; i < 24; i++) sum[i] = vdupq_n_f32((float)i);
    float32x4_t a = vdupq_n_f32(0.5f);
    for (size_t r = 0; r < rounds; r++) UNROLL for (int i = 0; i < 24; i++) {
            sum[i] = vfmaq_laneq_f32(sum[i], a, a, 0);
            __asm__ volatile("" : "+w"(sum[i]));
        }
    return rounds * 24 * 4 * 2;
}
#endif

// Without the instructions there is no such ceiling: 0.
uint64_t janus_probe_int8(size_t rounds) {
#if defined(__x86_64__)
    if (janus_isa_is_supported(janus_isa_avx512_vnni)) return int8_wide(rounds);
#elif defined(__aarch64__)
    if (janus_isa_is_supported(janus_isa_neon)) return int8_wide(rounds);
#endif
    return 0 * rounds;
}

uint64_t janus_probe_bf16(size_t rounds) {
#if defined(__x86_64__)
    if (janus_isa_is_supported(janus_isa_avx512_bf16)) return bf16_wide(rounds);
#elif defined(__aarch64__)
    if (janus_isa_is_supported(janus_isa_neon)) return f32_wide(rounds);
#endif
    return 0 * rounds;
}

uint64_t janus_probe_f32(size_t rounds) {
#if defined(__x86_64__)
    if (janus_isa_is_supported(janus_isa_avx512_vnni)) return f32_wide(rounds);
#elif defined(__aarch64__)
    if (janus_isa_is_supported(janus_isa_neon)) return f32_wide(rounds);
#endif
    return 0 * rounds;
}

typedef uint64_t words __attribute__((vector_size(64)));
typedef uint64_t words_unaligned __attribute__((vector_size(64), aligned(8), may_alias));

JANUS_KERNEL uint64_t janus_probe_read(const void *memory, size_t bytes) {
    const char *from = memory;
    words sum[4] = {{0}, {0}, {0}, {0}};
    for (size_t i = 0; i + 256 <= bytes; i += 256) {
        __builtin_prefetch(from + i + 4096);
        __builtin_prefetch(from + i + 4160);
        __builtin_prefetch(from + i + 4224);
        __builtin_prefetch(from + i + 4288);
        for (int j = 0; j < 4; j++) sum[j] ^= *(const words_unaligned *)(from + i + 64 * (size_t)j);
    }
    uint64_t result = 0;
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 8; i++) result ^= sum[j][i];
    return result;
}

void janus_fill_noise(void *memory, size_t bytes, uint64_t seed) {
    unsigned char *to = memory;
    uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
    for (size_t i = 0; i < bytes; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        uint64_t word = state * 0x2545F4914F6CDD1Du;
        memcpy(to + i, &word, bytes - i < 8 ? bytes - i : 8);
    }
}
