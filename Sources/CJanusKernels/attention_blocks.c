// What attention does in either format: from block to block of positions, and the end of it.
#include "attention.h"

// Lists tiles from block `first` on as they are read: a block's keys, then its values, then the next block's. Returns how
// many there are, at most `most`.
JANUS_INLINE size_t list_tiles(const struct janus_tile_layout *layout, struct janus_tiles tiles, size_t count,
                               size_t first, size_t most, const void **list) {
    size_t listed = 0;
    for (; first < count && listed < most; first += block_tiles) {
        size_t last = count - first < block_tiles ? count : first + block_tiles;
        for (size_t t = first; t < last && listed < most; t++) list[listed++] = key_tile(layout, tiles, t);
        for (size_t t = first; t < last && listed < most; t++) list[listed++] = value_tile(layout, tiles, t);
    }
    return listed;
}

int janus_walk_on(struct walk *walk) {
    walk->first += walk->length;
    if (walk->first >= walk->tiles) return 0;
    walk->length = walk->tiles - walk->first < block_tiles ? walk->tiles - walk->first : block_tiles;
    size_t wanted = 2 * walk->length + ahead;
    size_t listed = list_tiles(walk->layout, walk->own, walk->tiles, walk->first, wanted, walk->list);
    listed += list_tiles(walk->layout, walk->next, walk->next_tiles, 0, wanted - listed, walk->list + listed);
    for (; listed < wanted; listed++) walk->list[listed] = walk->list[listed - 1];
    return 1;
}

// 0 is added so that a zero has no sign: it could come from positions that are not seen.
JANUS_KERNEL void janus_attention_result(const struct running *state, const float *sums, size_t queries, size_t size,
                                         float *out, size_t out_stride) {
    for (size_t m = 0; m < queries; m++) {
        float total;
        SUM16(state->totals[m], total);
        float factor = 1.0f / total;
        for (size_t i = 0; i < size; i++) out[m * out_stride + i] = sums[m * head_max + i] * factor + 0.0f;
    }
}
