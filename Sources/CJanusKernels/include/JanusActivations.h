// What a packed product takes: rows of activations, quantised. Nothing is checked here: JanusTensor's wrappers do that.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "JanusFeatureMap.h"

enum {
    janus_packed_block_rows = 48, // rows that go through a panel of weights together
    janus_bf16_segment = 128,     // inputs of bf16 activations that lie together
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

// Quantises rows first ..< first + count of `rows` rows; x is row 0, `inputs` values are padded with zeros to `padded`.
// int8: `activation_group` values share a scale, which is written for each `group` of them. A group with a
// NaN or an infinity gets the scale NaN, and so does every result.
void janus_int8_activations(const float *x, size_t stride, size_t first, size_t count, size_t rows, size_t inputs,
                            size_t padded, size_t activation_group, size_t group, int8_t *values, float *scales,
                            int32_t *starts);
void janus_bf16_activations(const float *x, size_t stride, size_t first, size_t count, size_t rows, size_t inputs,
                            size_t padded, uint16_t *values);
