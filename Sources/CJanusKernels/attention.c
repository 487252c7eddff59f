#include "attention.h"

void janus_tiles_attend(int isa, const struct janus_tile_layout *layout, const float *queries, size_t stride,
                        size_t count, size_t seen, size_t step, float scale, struct janus_tiles own,
                        struct janus_tiles next, size_t next_seen, float *out, size_t out_stride) {
    struct queries all = {queries, stride, count, seen, step, scale, out, out_stride};
    struct walk walk = {.layout = layout, .own = own, .next = next};
    walk.tiles = (seen + tile - 1) / tile;
    walk.next_tiles = (next_seen + tile - 1) / tile;
    if (layout->format == janus_tile_int8) janus_attend_int8(isa, &all, &walk);
    else janus_attend_bf16(isa, &all, &walk);
}
