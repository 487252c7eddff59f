// Values to test with, the same on every machine for the same seed, and how results are compared.
#pragma once
#include "CJanusKernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { page_positions = janus_page_tiles * janus_tile_positions };

static uint64_t state;

static inline uint32_t noise(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state * 0x2545F4914F6CDD1Du >> 32);
}
static inline size_t below(size_t n) { return noise() % n; }
static inline float unit(void) { return (float)(noise() >> 8) * 0x1p-23f - 1; } // −1 … 1

enum sizes {
    ordinary,
    extreme,   // over forty binary orders of magnitude
    tiny,      // products are about the least normal number
    edge,      // sums that round up to 2^-126, or just don't
    denormal,  // and great ones, so that a denormal that is not flushed is seen
    spoiled,   // NaN and infinity among ordinary ones
    sizes_count,
};
static const char *const size_names[] = {"ordinary", "extreme", "tiny", "edge", "denormal", "spoiled"};

// Activations or weights (is_weight), which are finite.
static inline float value_of(enum sizes sizes, int is_weight) {
    static const float edges[] = {0x1p-63f, 0x1p-63f, 0x1p-86f, 0x1p-87f, 0x1.8p-87f, 0x1p-88f, 0x1.8p-88f, 0x1p-89f};
    float x = unit();
    switch (sizes) {
    case extreme: return __builtin_ldexpf(x, (int)below(41) - 20);
    case tiny: return __builtin_ldexpf(x, -60 - (int)below(6));
    case edge: return __builtin_copysignf(is_weight ? edges[below(8)] : below(4) ? 0x1p-63f : 0, x);
    case denormal: return __builtin_ldexpf(x, below(2) ? -126 - (int)below(8) : (int)below(100));
    case spoiled:
        if (is_weight || below(100)) return x;
        return below(2) ? __builtin_nanf("") : __builtin_copysignf(__builtin_inff(), x);
    default: return x;
    }
}

static inline void fill(float *x, size_t n, enum sizes sizes, int is_weight) {
    for (size_t i = 0; i < n; i++) x[i] = value_of(sizes, is_weight);
}

// Zeroed, 64-byte aligned; at least one byte.
static inline void *memory(size_t bytes) {
    void *result = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (!result) {
        fputs("no memory\n", stderr);
        exit(1);
    }
    return memset(result, 0, bytes);
}

// A NaN is any NaN: which one comes out is the processor's own.
static inline uint32_t canonical(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return x != x ? 0x7fc00000u : u;
}

static inline size_t up_to(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// Weights and activations as JanusTensor makes them.
struct product {
    struct janus_weights weights;
    struct janus_activations x;
    void *values, *scales, *a, *a_scales, *starts;
};

// Packs one panel; not 0 when the weights don't fit the precision.
static inline int pack(int precision, const float *w, size_t count, size_t inputs, size_t padded, size_t group, void *to,
                       void *scales) {
    switch (precision) {
    case janus_precision_int8: return janus_int8_pack(w, inputs, count, inputs, padded, group, to, scales);
    case janus_precision_int4: return janus_int4_pack(w, inputs, count, inputs, padded, to, scales);
    default: return janus_bf16_pack(w, inputs, count, inputs, padded, to);
    }
}

// 0 when the weights don't fit the precision.
static inline int make_product(struct product *p, int precision, size_t rows, size_t outputs, size_t inputs,
                               enum sizes sizes) {
    enum { panel = janus_panel_outputs };
    static const size_t values_in_16_bits[] = {1, 2, 4};
    size_t padded = up_to(inputs, janus_inputs_multiple), panels = up_to(outputs, panel) / panel;
    size_t activation_group = padded % 128 == 0 ? 128 : padded % 64 == 0 ? 64 : 32;
    size_t group = precision == janus_precision_int4 ? janus_int4_group : activation_group, groups = padded / group;
    size_t panel_bytes = padded * panel * 2 / values_in_16_bits[precision];
    size_t scale_bytes = precision == janus_precision_int8 ? sizeof(float) : sizeof(uint16_t);
    float *w = memory(outputs * inputs * sizeof *w), *x = memory(rows * inputs * sizeof *x);
    fill(w, outputs * inputs, sizes, 1);
    fill(x, rows * inputs, sizes, 0);
    p->values = memory(panels * panel_bytes);
    p->scales = memory(panels * groups * panel * scale_bytes);
    p->a = memory(rows * padded * 2);
    p->a_scales = memory(rows * groups * sizeof(float));
    p->starts = memory(rows * groups * sizeof(int32_t));
    int bad = 0;
    for (size_t i = 0; i < panels; i++)
        bad |= pack(precision, w + i * panel * inputs, outputs - i * panel < panel ? outputs - i * panel : panel, inputs,
                    padded, group, (char *)p->values + i * panel_bytes,
                    (char *)p->scales + i * groups * panel * scale_bytes);
    if (precision == janus_precision_bf16)
        janus_bf16_activations(x, inputs, 0, rows, rows, inputs, padded, p->a);
    else
        janus_int8_activations(x, inputs, 0, rows, rows, inputs, padded, activation_group, group, p->a, p->a_scales,
                               p->starts);
    p->weights = (struct janus_weights){precision, p->values, p->scales, outputs, padded, group};
    p->x = (struct janus_activations){p->a, p->a_scales, p->starts, rows, padded, 0};
    free(w);
    free(x);
    return !bad;
}

static inline void free_product(struct product *p) {
    free(p->values);
    free(p->scales);
    free(p->a);
    free(p->a_scales);
    free(p->starts);
}

static inline void run_product(int isa, const struct product *p, const float *bias, float *out, size_t stride,
                               int accumulate) {
    for (size_t i = 0; i * janus_panel_outputs < p->weights.outputs; i++)
        janus_packed_product(isa, &p->weights, &p->x, i, 0, p->x.rows, bias, out, stride, accumulate);
}

// Keys and values of one head in tiles. Pages lie in another order than they are read.
struct cache {
    struct janus_tile_layout layout;
    struct janus_tiles tiles;
    void *memory, *pages;
};

static inline struct cache make_cache(int format, const float *keys, const float *values, size_t positions, size_t size) {
    size_t pages = up_to(positions, page_positions) / page_positions;
    struct cache cache = {.layout = {.format = format, .size = size, .padded = up_to(size, janus_head_multiple)}};
    // int8 has a scale a position
    cache.layout.tile_bytes = format == janus_tile_int8 ? janus_tile_positions * (cache.layout.padded + sizeof(float))
                                                        : 2 * janus_tile_positions * cache.layout.padded;
    cache.layout.page_bytes = 2 * janus_page_tiles * cache.layout.tile_bytes;
    cache.memory = memory(pages * cache.layout.page_bytes);
    int32_t *order = cache.pages = memory(pages * sizeof *order);
    for (size_t i = 0; i < pages; i++) order[i] = (int32_t)(pages - 1 - i);
    cache.tiles = (struct janus_tiles){cache.memory, order};
    janus_tiles_store(&cache.layout, keys, values, size, 0, positions, cache.tiles);
    return cache;
}

static inline void free_cache(struct cache cache) {
    free(cache.memory);
    free(cache.pages);
}

static inline void run_attention(int isa, const float *queries, size_t count, size_t seen, size_t step, float scale,
                                 struct cache cache, float *out) {
    size_t size = cache.layout.size;
    janus_tiles_attend(isa, &cache.layout, queries, size, count, seen, step, scale, cache.tiles, cache.tiles, seen, out,
                       size);
}
