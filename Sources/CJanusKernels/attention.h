// What attention over tiles shares among the instruction sets.
#pragma once
#include "JanusAttention.h"
#include "kernel.h"

enum {
    tile = janus_tile_positions,
    block_tiles = 16,
    block = block_tiles * tile, // positions whose weights share a greatest score
    queries_max = janus_attention_queries_max,
    head_max = janus_head_size_max,
};

// What will be read a few tiles after each tile of a block. Few queries wait for memory, so it is fetched meanwhile.
typedef const uint16_t *const *tiles_ahead;

// scores[query][block] of `tiles` tiles of keys; q[query][padded]
typedef void janus_tile_scores(const uint16_t *q, size_t queries, const uint16_t *keys, size_t tiles, size_t padded,
                               tiles_ahead ahead, float *scores);
// sums[query][head_max] += weights[query][block] · values of `tiles` tiles
typedef void janus_tile_mix(const uint16_t *weights, size_t queries, const uint16_t *values, size_t tiles,
                            size_t padded, tiles_ahead ahead, float *sums);

janus_tile_scores janus_scores_scalar, janus_scores_avx2, janus_scores_bf16, janus_scores_neon;
janus_tile_mix janus_mix_scalar, janus_mix_avx2, janus_mix_bf16, janus_mix_neon;

// How many of `queries` share the keys in registers: 8, 4, 2 or 1.
JANUS_INLINE size_t query_group(size_t queries) { return queries >= 8 ? 8 : queries >= 4 ? 4 : queries >= 2 ? 2 : 1; }
