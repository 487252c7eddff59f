// int4: sixteen uneven levels and one scale for 32 weights, chosen by the squared error that it leaves.
#include "packed.h"

const int8_t janus_int4_codebook[16] = {-127, -96, -74, -56, -41, -27, -14, -2, 10, 22, 35, 49, 64, 81, 101, 127};

static uint8_t level_of(float x) {
    uint8_t best = 0;
    float least = 1e30f;
    for (uint8_t i = 0; i < 16; i++) {
        float distance = __builtin_fabsf(x - (float)janus_int4_codebook[i]);
        if (distance < least) {
            least = distance;
            best = i;
        }
    }
    return best;
}

// f32 to f16, to nearest even, for values far below the greatest f16; the sign is kept.
static uint16_t f16_of(float x) {
    uint32_t sign = bits_of(x) >> 16 & 0x8000, u = bits_of(x) & 0x7fffffff;
    if (u < 0x38800000) { // below 2^-14: a denormal, whose unit is 2^-24
        float rounded = float_of(u) + 0.5f;
        return (uint16_t)(sign | (bits_of(rounded) - bits_of(0.5f)));
    }
    u += 0xfff + (u >> 13 & 1);
    return (uint16_t)(sign | ((u - 0x38000000) >> 13));
}

static double error_of(const float *w, size_t n, float scale) {
    double error = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = w[i] - (double)scale * janus_int4_codebook[level_of(w[i] / scale)];
        error += difference * difference;
    }
    return error;
}

// The levels are uneven, so both signs of the scale are tried, each a little smaller and larger than the greatest
// weight asks for.
static uint16_t best_scale(const float *w, size_t n, float greatest) {
    uint16_t best = 0;
    double least = 1e300;
    for (int sign = 1; sign >= -1; sign -= 2)
        for (int step = -8; step <= 3; step++) {
            uint16_t half = f16_of((float)sign * greatest / 127.0f * (1.0f + 0.03f * (float)step));
            float scale = f32_of_f16(half);
            if (scale == 0) continue;
            double error = error_of(w, n, scale);
            if (error < least) {
                least = error;
                best = half;
            }
        }
    return best;
}

int janus_int4_pack(const float *w, size_t stride, size_t outputs, size_t inputs, size_t padded, uint8_t *values,
                    uint16_t *scales) {
    int bad = 0;
    memset(values, 0, padded * panel / 2);
    memset(scales, 0, padded / janus_int4_group * panel * sizeof *scales);
    for (size_t n = 0; n < outputs; n++)
        for (size_t first = 0; first < inputs; first += janus_int4_group) {
            const float *from = w + n * stride + first;
            size_t count = inputs - first < janus_int4_group ? inputs - first : janus_int4_group;
            float greatest = 0;
            for (size_t i = 0; i < count; i++) {
                float size = __builtin_fabsf(from[i]);
                if (!(size < 4e6f)) bad = 1; // NaN too; greater would overflow the f16 scale
                greatest = size > greatest ? size : greatest;
            }
            uint16_t half = bad ? 0 : best_scale(from, count, greatest);
            scales[first / janus_int4_group * panel + n] = half;
            if (f32_of_f16(half) == 0) continue;
            for (size_t i = 0; i < count; i++) {
                size_t k = first + i;
                uint8_t level = level_of(from[i] / f32_of_f16(half));
                values[(k / 8 * panel + n) * 4 + k % 4] |= (uint8_t)(k % 8 < 4 ? level : level << 4);
            }
        }
    return bad;
}
