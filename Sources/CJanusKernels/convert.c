#include "kernel.h"

JANUS_KERNEL void janus_f32_from_bf16(const void *source, float *target, size_t n) {
    const uint8_t *bytes = source;
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        uint32_t word = (uint32_t)half << 16;
        memcpy(target + i, &word, 4);
    }
}

// Exponent and mantissa are shifted into place and scaled by 2^112, which makes denormals right too; infinity and NaN
// keep their mantissa.
JANUS_KERNEL void janus_f32_from_f16(const void *source, float *target, size_t n) {
    const uint8_t *bytes = source;
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        uint32_t sign = (uint32_t)(half & 0x8000) << 16;
        uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
        uint32_t finite = bits_of(float_of(magnitude) * 0x1p112f);
        uint32_t word = (half & 0x7c00) == 0x7c00 ? (magnitude | 0x7f800000u) : finite;
        target[i] = float_of(word | sign);
    }
}
