// Keys and values on their way into tiles.
#include "attention.h"

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

// Nothing need be there before: scores and scales of positions that were never stored are not used.
JANUS_INLINE void store_int8(const float *keys, const float *values, size_t stride, size_t first, size_t count,
                             size_t size, size_t padded, char *key_tile, char *value_tile) {
    for (size_t p = first; p < first + count; p++, keys += stride, values += stride) {
        int8_t row[janus_head_size_max];
        float scale = int8_of(keys, size, padded, row);
        for (size_t i = 0; i < padded; i += 4) {
            uint32_t four;
            memcpy(&four, row + i, sizeof four);
            four ^= 0x80808080; // + 128
            memcpy(key_tile + i * tile + 4 * p, &four, sizeof four);
        }
        memcpy(key_tile + tile * padded + p * sizeof scale, &scale, sizeof scale);
        scale = int8_of(values, size, padded, row);
        char *to = value_tile + p / 4 * 4 * padded + p % 4;
        for (size_t i = 0; i < padded; i++) to[4 * i] = row[i];
        memcpy(value_tile + tile * padded + p * sizeof scale, &scale, sizeof scale);
    }
}

JANUS_KERNEL void janus_tiles_store(const struct janus_tile_layout *layout, const float *keys, const float *values,
                                    size_t stride, size_t start, size_t count, struct janus_tiles tiles) {
    size_t size = layout->size, padded = layout->padded;
    while (count > 0) {
        size_t first = start % tile, length = tile - first < count ? tile - first : count;
        char *to_keys = key_tile(layout, tiles, start / tile), *to_values = value_tile(layout, tiles, start / tile);
        if (layout->format == janus_tile_int8)
            store_int8(keys, values, stride, first, length, size, padded, to_keys, to_values);
        else if (length == tile)
            store_whole(keys, values, stride, size, padded, (uint16_t *)to_keys, (uint16_t *)to_values);
        else
            store_part(keys, values, stride, first, length, size, padded, (uint16_t *)to_keys, (uint16_t *)to_values);
        keys += length * stride;
        values += length * stride;
        start += length;
        count -= length;
    }
}

void janus_tiles_clear(const struct janus_tile_layout *layout, size_t start, struct janus_tiles tiles) {
    if (layout->format == janus_tile_int8 || start % tile == 0) return;
    uint16_t *values = (uint16_t *)value_tile(layout, tiles, start / tile);
    for (size_t p = start % tile; p < tile; p++)
        for (size_t i = 0; i < layout->padded; i++) values[(p / 2 * layout->padded + i) * 2 + p % 2] = 0;
}

void janus_tiles_copy(const struct janus_tile_layout *layout, size_t count, const char *from, char *to) {
    size_t values = page_tiles * layout->tile_bytes;
    memcpy(to, from, count * layout->tile_bytes);
    memcpy(to + values, from + values, count * layout->tile_bytes);
}
