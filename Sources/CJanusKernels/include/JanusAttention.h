// Attention over keys and values in bf16 or int8, which lie in tiles of 16 positions.
//
// One arithmetic a format, whatever the number of queries, of threads, or the instruction set. Blocks of 256 positions ascend;
// in each the scores come first, then weights = e^(score − greatest so far), then what was summed up before is scaled to the
// new greatest and the block's weighted values are added. A position that a query must not see has the weight 0. Tiles lie
// at absolute positions, and all queries of a call end in the same tile: so each runs through the same sums in any company.
//   bf16   Queries are rounded to bf16. score = Σ over pairs of the head, ascending, out = fma(even, fma(odd, out)), denormals
//          flushed; weights are rounded to bf16; out = Σ over pairs of positions, as the scores.
//   int8   Each query, key and value of a head goes through a Walsh-Hadamard transform, and the result through its inverse:
//          no channel is then much greater than the others. Each is 8-bit integers and a scale, its greatest value's 127th
//          part. score = Σ of integers · (key's scale · query's scale); each weight times its value's scale is rounded to 16
//          bits, of the greatest of them in the block; out += Σ of integers · that step. Sums of integers are exact. What is
//          not finite has the scale NaN, and NaN is every result in which it takes part.
// Nothing is checked here: JanusTensor's wrappers do that.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    janus_tile_positions = 16,
    janus_page_tiles = 4,
    janus_head_multiple = 16,     // head sizes are padded with zeros to a multiple
    janus_head_size_max = 512,    // padded
    janus_attention_queries_max = 16,
};

// How the tiles of a model's keys and values lie: in pages of 64 positions, each of which holds, for every head, four tiles
// of keys, then four of values. A tile is
//   bf16   keys uint16 [padded / 2][16 positions][2]
//          values uint16 [16 positions / 2][padded][2]
//   int8   keys uint8 [padded / 4][16 positions][4], value + 128; scales float [16]
//          values int8 [16 positions / 4][padded][4]; scales float [16]
enum janus_tile_format { janus_tile_bf16 = 0, janus_tile_int8 = 1 };
struct janus_tile_layout {
    int format;
    size_t size, padded; // of a head, without and with the zeros behind it
    size_t tile_bytes;
    size_t page_bytes; // from a page to the next one of the same memory
};

// The tiles of one head of one sequence: where the head lies in page 0, and the sequence's pages, in order.
struct janus_tiles {
    char *head;
    const int32_t *pages;
};

// Stores `count` positions from `start` on; row i of keys and values is position start + i. A tile of bf16 is zeroed when its
// first position comes.
void janus_tiles_store(const struct janus_tile_layout *layout, const float *keys, const float *values, size_t stride,
                       size_t start, size_t count, struct janus_tiles tiles);
// Zeroes the values from `start` to the end of its tile: 0 · NaN would be NaN. (int8: integers are never NaN.)
void janus_tiles_clear(const struct janus_tile_layout *layout, size_t start, struct janus_tiles tiles);
// Makes the first `count` tiles of a page, keys and values, those of another page.
void janus_tiles_copy(const struct janus_tile_layout *layout, size_t count, const char *from, char *to);

// `queries` (1 … 16) queries of one head: the i-th sees the first seen + i · step positions (at least one). The last
// positions that they see lie in one tile. `next` is what the thread will attend to after this, the first `next_seen`
// positions of it: its first tiles are fetched meanwhile (0 fetches none).
void janus_tiles_attend(int isa, const struct janus_tile_layout *layout, const float *queries, size_t stride,
                        size_t count, size_t seen, size_t step, float scale, struct janus_tiles own,
                        struct janus_tiles next, size_t next_seen, float *out, size_t out_stride);
