// Kernels of the f32 path. Plain C that clang vectorises; no libm, no fused multiply-add unless written, sums in fixed
// trees, so that a result does not depend on the machine's instruction set. All pointers need only 4-byte (bf16, f16:
// no) alignment; rows are `stride` values apart; nothing is checked here: JanusTensor's wrappers do that.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "JanusActivations.h"
#include "JanusAttention.h"
#include "JanusFeatureMap.h"
#include "JanusPacked.h"
#include "JanusProbe.h"
#include "JanusRuntime.h"

// conversions: n little-endian 16-bit values at any address to f32
void janus_f32_from_bf16(const void *source, float *target, size_t n);
void janus_f32_from_f16(const void *source, float *target, size_t n);
// n values to bf16, to nearest even; NaN stays NaN.
void janus_bf16_from_f32(const float *source, uint16_t *target, size_t n);

// x[i] = f(x[i])
void janus_gelu(float *x, size_t n);    // exact: x/2 (1 + erf(x/√2))
void janus_swish(float *x, size_t n);   // x / (1 + e^-x)
// gate[i] = swish(gate[i]) · up[i]
void janus_swish_multiply(float *gate, const float *up, size_t n);
// x[i] += y[i]
void janus_add(float *x, const float *y, size_t n);
// softmax of scale · x in place
void janus_softmax(float *x, size_t n, float scale);

// one row: y = x / sqrt(mean(x²) + epsilon) · weight
void janus_rms_norm(const float *x, const float *weight, float *y, size_t n, float epsilon);
// one row: y = (x − mean) / sqrt(variance + epsilon) · weight + bias
void janus_layer_norm(const float *x, const float *weight, const float *bias, float *y, size_t n, float epsilon);
// sums[0..<c] += Σ rows, sums[c..<2c] += Σ rows²
void janus_channel_sums(const float *x, size_t rows, size_t channels, double *sums);
// y[r][c] = (x[r][c] − centre[c]) · scale[c] + shift[c], then swish where asked
void janus_channel_affine(const float *x, const float *centre, const float *scale, const float *shift, float *y,
                          size_t rows, size_t channels, int swish);
// one row: divided by max(its Euclidean length, 1e-12)
void janus_l2_normalize(float *x, size_t n);

// rotate-half on `heads` heads of one position: x[heads][size], cosines and sines[size / 2]
void janus_rope(float *x, const float *cosines, const float *sines, size_t heads, size_t size);

// out[m][n] (+)= Σ_k x[m][k] · w[n][k] for rows ≤ 8 of x: reads w once. K ascends in 16 lanes.
enum { janus_thin_rows_max = 8 };
void janus_thin_product(const float *x, size_t x_stride, const float *w, size_t w_stride, float *out,
                        size_t out_stride, size_t rows, size_t n, size_t k, int accumulate);

// attention of one query head over `positions` cached keys and values; scores is scratch of `positions` values
void janus_attend(const float *query, const float *keys, const float *values, size_t stride, size_t positions,
                  size_t size, float scale, float *scores, float *out);

// clip((x + 1) / 2 · 255, 0, 255), truncated; NaN is 0
void janus_pixels_u8(const float *x, uint8_t *y, size_t n);

// The first of the greatest of n values; n where one is a NaN, or there are none.
size_t janus_greatest(const float *x, size_t n);
// out = unconditional + weight · (conditional − unconditional); out may be one of them
void janus_guide(const float *conditional, const float *unconditional, float weight, float *out, size_t n);
// The least logit that may be drawn: the top_k-th greatest (0: any), or that at which the weights e^((x − greatest) /
// temperature), from the greatest on, reach top_p of their sum (1: any), whichever comes first; −∞ where neither does.
// heap is room for n values.
float janus_floor(const float *x, size_t n, float greatest, float temperature, size_t top_k, float top_p, float *heap);
// Of the tokens first ..< first + count (first a multiple of 64), those that Gumbel noise could lift to `least`: x[token] is
// at least `floor`, and x[token] / temperature + (what the noise is at most) is at least `least`. The noise of token t is
// made of word t mod 4 of Philox4x32-10 with the counter (t / 4, counter[0], counter[1], counter[2]). Returns how many.
struct janus_candidate {
    uint32_t token, word;
};
size_t janus_gumbel_candidates(const float *x, size_t first, size_t count, float floor, double temperature,
                               double least, const uint32_t *counter, const uint32_t *key,
                               struct janus_candidate *candidates);

// Multiplications with an addition that the calling thread has asked for, since it began.
void janus_count_multiply_adds(uint64_t more);
uint64_t janus_multiply_adds(void);
