// Packed linear layers: out = activations · weightsᵀ in int8, int4 or bf16.
//
// One arithmetic a precision, whatever the number of rows, of threads, or the instruction set:
//   int8         Σ over groups, ascending: out = fma((float)Σ q·w, weight scale · activation scale, out)
//   int4         Σ over groups, ascending: part = fma((float)Σ q·w, weight scale, part); after the groups that share the
//                activations' scale: out = fma(part, activation scale, out)
//   bf16         for each pair of inputs, ascending: out = fma(even, fma(odd, out)), denormals flushed to zero
// so that a row's result never depends on its neighbours. Nothing is checked here: JanusTensor's wrappers do that.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "JanusActivations.h"

enum janus_precision { janus_precision_bf16 = 0, janus_precision_int8 = 1, janus_precision_int4 = 2 };

enum {
    janus_panel_outputs = 64,     // outputs whose weights lie together
    janus_inputs_multiple = 32,   // inputs are padded with zeros to a multiple
    janus_int4_group = 32,        // inputs of one int4 scale
    janus_packed_tile_rows = 6,   // rows of activations that share a weight in registers
};

// Weights of all panels. `inputs` is padded, `outputs` is not; `group` inputs have one scale (bf16: unused).
//   bf16   values uint16 [panels][inputs / 2][64][2]
//   int8   values uint8 [panels][inputs / 4][64][4], weight + 128     scales float [panels][inputs / group][64]
//   int4   values uint8 [panels][inputs / 8][64][4], index of the codebook: low halves are inputs 0…3 of the eight, high
//          halves 4…7                                                 scales uint16 (f16) [panels][inputs / 32][64]
struct janus_weights {
    int precision;
    const void *values;
    const void *scales;
    size_t outputs, inputs, group;
};

// out[row][output] = bias[output] + …, or out[row][output] += bias[output] + … (bias may be 0), for the outputs of one
// panel and rows first ..< first + rows, where first is the beginning of a block of 48, or of a feature map's row; out is where
// the result's row 0 goes.
void janus_packed_product(int isa, const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                          size_t first, size_t rows, const float *bias, float *out, size_t out_stride, int accumulate);

// Packs one panel: up to 64 outputs (rows of w) of `inputs` values. Returns 0, or 1 when a weight is not finite.
int janus_bf16_pack(const float *w, size_t stride, size_t outputs, size_t inputs, size_t padded, uint16_t *values);
int janus_int8_pack(const float *w, size_t stride, size_t outputs, size_t inputs, size_t padded, size_t group,
                    uint8_t *values, float *scales);
int janus_int4_pack(const float *w, size_t stride, size_t outputs, size_t inputs, size_t padded, uint8_t *values,
                    uint16_t *scales);
