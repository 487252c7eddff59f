// Keys and values on their way into tiles.
#include "JanusAttention.h"
#include "kernel.h"

enum { tile = janus_tile_positions };

// The even or the odd ones of pairs.
JANUS_INLINE void store_half(uint16_t *pairs, size_t is_odd, const float *values, size_t size) {
    uint32_t kept = is_odd ? 0xffff : 0xffff0000;
    int shift = is_odd ? 16 : 0;
    for (size_t i = 0; i < size; i++) {
        uint32_t pair;
        memcpy(&pair, pairs + 2 * i, sizeof pair);
        pair = (pair & kept) | (uint32_t)bf16_of(values[i]) << shift;
        memcpy(pairs + 2 * i, &pair, sizeof pair);
    }
}

// Positions first ..< first + count of one tile; keys and values begin at the first.
JANUS_INLINE void store_part(const float *keys, const float *values, size_t stride, size_t first, size_t count,
                             size_t size, size_t padded, uint16_t *key_tile, uint16_t *value_tile) {
    if (first == 0) {
        memset(key_tile, 0, tile * padded * sizeof *key_tile);
        memset(value_tile, 0, tile * padded * sizeof *value_tile);
    }
    for (size_t p = 0; p < count; p++) {
        const float *key = keys + p * stride, *value = values + p * stride;
        uint16_t *to = key_tile + (first + p) * 2;
        for (size_t i = 0; i + 2 <= size; i += 2) {
            uint32_t pair = bf16_of(key[i]) | (uint32_t)bf16_of(key[i + 1]) << 16;
            memcpy(to + i * tile, &pair, sizeof pair);
        }
        if (size % 2) to[(size - 1) * tile] = bf16_of(key[size - 1]);
        store_half(value_tile + (first + p) / 2 * 2 * padded, (first + p) % 2, value, size);
    }
}

// A whole tile: the keys' pairs are made first and then turned, the values' pairs at once.
JANUS_INLINE void store_whole(const float *keys, const float *values, size_t stride, size_t size, size_t padded,
                              uint16_t *key_tile, uint16_t *value_tile) {
    uint32_t pairs[tile][janus_head_size_max / 2];
    for (size_t p = 0; p < tile; p++) {
        const float *key = keys + p * stride;
        for (size_t i = 0; i < size / 2; i++)
            pairs[p][i] = bf16_of(key[2 * i]) | (uint32_t)bf16_of(key[2 * i + 1]) << 16;
        for (size_t i = size / 2; i < padded / 2; i++) pairs[p][i] = 0;
        if (size % 2) pairs[p][size / 2] = bf16_of(key[size - 1]);
    }
    for (size_t i = 0; i < padded / 2; i++) {
        uint32_t column[tile];
        for (size_t p = 0; p < tile; p++) column[p] = pairs[p][i];
        memcpy(key_tile + i * 2 * tile, column, sizeof column);
    }
    for (size_t p = 0; p < tile; p += 2) {
        const float *even = values + p * stride, *odd = even + stride;
        uint16_t *to = value_tile + p * padded;
        for (size_t i = 0; i < size; i++) {
            uint32_t pair = bf16_of(even[i]) | (uint32_t)bf16_of(odd[i]) << 16;
            memcpy(to + 2 * i, &pair, sizeof pair);
        }
        memset(to + 2 * size, 0, (padded - size) * 2 * sizeof *to);
    }
}

JANUS_KERNEL void janus_tiles_store(const float *keys, const float *values, size_t stride, size_t start, size_t count,
                                    size_t size, size_t padded, uint16_t *key_tiles, uint16_t *value_tiles) {
    while (count > 0) {
        size_t first = start % tile, length = tile - first < count ? tile - first : count;
        uint16_t *key_tile = key_tiles + start / tile * tile * padded;
        uint16_t *value_tile = value_tiles + start / tile * tile * padded;
        if (length == tile) store_whole(keys, values, stride, size, padded, key_tile, value_tile);
        else store_part(keys, values, stride, first, length, size, padded, key_tile, value_tile);
        keys += length * stride;
        values += length * stride;
        start += length;
        count -= length;
    }
}

void janus_tiles_clear(size_t start, size_t padded, uint16_t *value_tiles) {
    for (size_t position = start; position % tile != 0; position++) {
        uint16_t *place = value_tiles + (position / 2) * 2 * padded + position % 2;
        for (size_t i = 0; i < padded; i++) place[2 * i] = 0;
    }
}
