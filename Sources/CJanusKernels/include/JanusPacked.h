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

enum janus_precision { janus_precision_bf16 = 0, janus_precision_int8 = 1, janus_precision_int4 = 2 };

enum {
    janus_panel_outputs = 64,     // outputs whose weights lie together
    janus_inputs_multiple = 32,   // inputs are padded with zeros to a multiple
    janus_int4_group = 32,        // inputs of one int4 scale
    janus_packed_tile_rows = 6,   // rows of activations that share a weight in registers
    janus_packed_block_rows = 48, // rows that go through a panel of weights together
    janus_bf16_segment = 128,     // inputs of bf16 activations that lie together
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

// Rows of activations, quantised, as a product walks through them: blocks of 48 rows (the last may have fewer), in each
// the segments of inputs, in each the block's rows. A segment is a group of the weights (int8, int4), for bf16 128 inputs
// (the last may have fewer).
//   bf16         uint16 [blocks][segments][rows of the block][segment]
//   int8, int4   int8, alike; for each segment and row a scale and the sum's start (−128 · Σ values: it takes the weights'
//                offset away): [blocks][segments][rows of the block]
// Or, where `feature_map` is given, one to be convolved in bf16: the rows are then the result's pixels.
struct janus_activations {
    const void *values;
    const float *scales;
    const int32_t *starts;
    size_t rows, inputs;
    const struct janus_feature_map *feature_map;
};

// Rows of a feature map in bf16, uint16 [rows][width + 2][channels] with a border of zeros; channels are a multiple of 32. The
// inputs of an output pixel are [taps][taps][channels] from row y · step + row_origin and column x · step + column_origin on.
// Output pixels lie out_step apart in both directions: 2 for one phase of a map that is enlarged to twice its sides.
struct janus_feature_map {
    size_t width, channels; // without the border
    size_t out_width;       // output pixels in a row, of this phase
    size_t taps, step, row_origin, column_origin, out_step;
};

// out[row][output] = bias[output] + …, or out[row][output] += bias[output] + … (bias may be 0), for the outputs of one
// panel and rows first ..< first + rows, where first is the beginning of a block of 48, or of a feature map's row; out is where
// the result's row 0 goes.
void janus_packed_product(int isa, const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                          size_t first, size_t rows, const float *bias, float *out, size_t out_stride, int accumulate);

// Rows first ..< first + count (the border's too: there are height + 2) of a feature map in bf16 with its border, the first of
// them to `rows`; x is [height][width][channels]. Where scale is given, each value is first (x − centre) · scale + shift of
// its channel, then swish where asked.
void janus_feature_map_fill(const float *x, const float *centre, const float *scale, const float *shift, int swish,
                        size_t height, size_t width, size_t channels, size_t first, size_t count, uint16_t *rows);

// Quantises rows first ..< first + count of `rows` rows; x is row 0, `inputs` values are padded with zeros to `padded`.
// int8: `activation_group` values share a scale, which is written for each `group` of them. A group with a
// NaN or an infinity gets the scale NaN, and so does every result.
void janus_int8_activations(const float *x, size_t stride, size_t first, size_t count, size_t rows, size_t inputs,
                            size_t padded, size_t activation_group, size_t group, int8_t *values, float *scales,
                            int32_t *starts);
void janus_bf16_activations(const float *x, size_t stride, size_t first, size_t count, size_t rows, size_t inputs,
                            size_t padded, uint16_t *values);

// Packs one panel: up to 64 outputs (rows of w) of `inputs` values. Returns 0, or 1 when a weight is not finite.
int janus_bf16_pack(const float *w, size_t stride, size_t outputs, size_t inputs, size_t padded, uint16_t *values);
int janus_int8_pack(const float *w, size_t stride, size_t outputs, size_t inputs, size_t padded, size_t group,
                    uint8_t *values, float *scales);
int janus_int4_pack(const float *w, size_t stride, size_t outputs, size_t inputs, size_t padded, uint8_t *values,
                    uint16_t *scales);
