// What the packed products of every instruction set share.
#pragma once
#include "kernel.h"

// Rows that go through a panel together: their sums (64 outputs each) stay in the first-level cache.
enum { block_rows = janus_packed_block_rows, panel = janus_panel_outputs, tile_rows = janus_packed_tile_rows };
// Inputs between two visits of a bf16 sum to memory, where the weights have no groups.
enum { bf16_block = janus_bf16_segment };

// 16 levels for int4, made for bell-shaped weights; the least is −127, so that no weight is cut off.
extern const int8_t janus_int4_codebook[16];

typedef void janus_panel_product(const struct janus_weights *weights, const struct janus_activations *x, size_t index,
                                 size_t row, size_t rows, float *sums);
// sums[rows][64] = one panel times up to `block_rows` rows
janus_panel_product janus_panel_scalar, janus_panel_avx2, janus_panel_vnni, janus_panel_bf16, janus_panel_neon;

// Tiles of at most six rows, as even as they can be: eight rows are two tiles of four.
JANUS_INLINE size_t tile_count(size_t rows) { return (rows + tile_rows - 1) / tile_rows; }
JANUS_INLINE size_t tile_start(size_t rows, size_t tiles, size_t tile) { return rows * tile / tiles; }

// int4: groups of weights whose activations share a scale.
JANUS_INLINE size_t int4_span(size_t inputs) { return inputs % 128 == 0 ? 4 : inputs % 64 == 0 ? 2 : 1; }

// Inputs from `first` on that lie together in bf16 activations.
JANUS_INLINE size_t segment_length(const struct janus_activations *x, size_t inputs, size_t first) {
    size_t most = bf16_block;
    if (x->feature_map && x->feature_map->channels % bf16_block != 0) most = janus_inputs_multiple;
    return inputs - first < most ? inputs - first : most;
}

// Where they lie for the start-th row of the block of `rows` rows that begins at `row`, and how far the next row's are.
JANUS_INLINE const uint16_t *segment(const struct janus_activations *x, size_t inputs, size_t row, size_t rows,
                                     size_t start, size_t first, size_t length, size_t *stride) {
    const struct janus_feature_map *p = x->feature_map;
    if (!p) {
        *stride = length;
        return (const uint16_t *)x->values + row * inputs + first * rows + start * length;
    }
    size_t place = first / p->channels, line = row / p->out_width * p->step + p->row_origin + place / p->taps;
    size_t column = (row % p->out_width + start) * p->step + p->column_origin + place % p->taps;
    *stride = p->step * p->channels;
    return (const uint16_t *)x->values + (line * (p->width + 2) + column) * p->channels + first % p->channels;
}

JANUS_INLINE float f32_of_f16(uint16_t half) {
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    return float_of(bits_of(float_of(magnitude) * 0x1p112f) | (uint32_t)(half & 0x8000) << 16);
}
