// Feature maps, [height][width][channels], on their way into a convolution's product. Nothing is checked here: JanusTensor's
// wrappers do that.
#pragma once
#include <stddef.h>
#include <stdint.h>

// 3×3 patches of x[height][width][channels] for `count` output pixels from `first` on, out[count][3][3][channels];
// an output pixel (r, c) looks at rows r·step − pad …, outside is zero; out_width output pixels a row
void janus_patches3x3(const float *x, size_t height, size_t width, size_t channels, size_t step, size_t pad,
                      size_t out_width, size_t first, size_t count, float *out);
// nearest neighbour: rows first ..< first + count of y[2h][2w][c]
void janus_upsample2(const float *x, size_t width, size_t channels, size_t first, size_t count, float *y);

// Rows of a feature map in bf16, uint16 [rows][width + 2][channels] with a border of zeros; channels are a multiple of 32. The
// inputs of an output pixel are [taps][taps][channels] from row y · step + row_origin and column x · step + column_origin on.
// Output pixels lie out_step apart in both directions: 2 for one phase of a map that is enlarged to twice its sides.
struct janus_feature_map {
    size_t width, channels; // without the border
    size_t out_width;       // output pixels in a row, of this phase
    size_t taps, step, row_origin, column_origin, out_step;
};

// Rows first ..< first + count (the border's too: there are height + 2) of a feature map in bf16 with its border, the first of
// them to `rows`; x is [height][width][channels]. Where scale is given, each value is first (x − centre) · scale + shift of
// its channel, then swish where asked.
void janus_feature_map_fill(const float *x, const float *centre, const float *scale, const float *shift, int swish,
                        size_t height, size_t width, size_t channels, size_t first, size_t count, uint16_t *rows);
