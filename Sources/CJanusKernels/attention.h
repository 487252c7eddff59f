// What attention over tiles shares among the instruction sets.
#pragma once
#include "JanusAttention.h"
#include "kernel.h"

enum {
    tile = janus_tile_positions,
    page_tiles = janus_page_tiles,
    block_tiles = 16,
    block = block_tiles * tile, // positions whose weights share a greatest score
    queries_max = janus_attention_queries_max,
    head_max = janus_head_size_max,
};

// Tiles in the order in which they are read; `ahead` of them there are more. Few queries wait for memory, so each tile is
// fetched so long before it is read.
typedef const uint16_t *const *tile_list;
enum { ahead = 4 };

// scores[query][block] of `count` tiles of keys; q[query][padded]
typedef void janus_tile_scores(const uint16_t *q, size_t queries, tile_list tiles, size_t count, size_t padded,
                               float *scores);
// sums[query][head_max] += weights[query][block] · values of `count` tiles
typedef void janus_tile_mix(const uint16_t *weights, size_t queries, tile_list tiles, size_t count, size_t padded,
                            float *sums);

janus_tile_scores janus_scores_scalar, janus_scores_avx2, janus_scores_bf16, janus_scores_neon;
janus_tile_mix janus_mix_scalar, janus_mix_avx2, janus_mix_bf16, janus_mix_neon;

// How many of `queries` share the keys in registers: 8, 4, 2 or 1.
JANUS_INLINE size_t query_group(size_t queries) { return queries >= 8 ? 8 : queries >= 4 ? 4 : queries >= 2 ? 2 : 1; }

// The t-th tile of a sequence.
JANUS_INLINE char *key_tile(const struct janus_tile_layout *layout, struct janus_tiles tiles, size_t t) {
    return tiles.head + (size_t)tiles.pages[t / page_tiles] * layout->page_bytes + t % page_tiles * layout->tile_bytes;
}
JANUS_INLINE char *value_tile(const struct janus_tile_layout *layout, struct janus_tiles tiles, size_t t) {
    return key_tile(layout, tiles, t) + page_tiles * layout->tile_bytes;
}
