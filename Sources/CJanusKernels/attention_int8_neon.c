#include "attention.h"
#if defined(__aarch64__)
#include "neon.h"

NEON ALWAYS int8x16_t load(const void *from) { return vld1q_s8(from); }

// Bytes from 0 to 255 less 128.
NEON ALWAYS int8x16_t load_less_128(const void *from) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(from), vdupq_n_u8(128)));
}

// `rows` queries times `count` tiles of keys (constants), four vectors each. The keys' 128 is taken away from them, so
// sums begin at 0.
NEON ALWAYS void score_part(const int rows, const int count, const int8_t *q, tile_list tiles, size_t padded,
                            int32_t *scores) {
    int32x4_t sum[4][16];
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4 * count; j++) sum[m][j] = vdupq_n_s32(0);
    const char *keys[4], *later[4];
    UNROLL for (int t = 0; t < count; t++) keys[t] = tiles[t], later[t] = tiles[t + ahead];
    for (size_t i = 0; i < padded; i += 16) {
        int8x16_t value[4];
        UNROLL for (int m = 0; m < rows; m++) value[m] = load(q + (size_t)m * padded + i);
        UNROLL for (int four = 0; four < 4; four++) UNROLL for (int t = 0; t < count; t++) {
            size_t place = (i + 4 * (size_t)four) * tile;
            if (rows <= 2) __builtin_prefetch(later[t] + place); // few queries wait for memory
            UNROLL for (int j = 0; j < 4; j++) {
                int8x16_t key = load_less_128(keys[t] + place + 16 * j);
                UNROLL for (int m = 0; m < rows; m++) sum[m][4 * t + j] =
                    dot4(sum[m][4 * t + j], key, value[m], four);
            }
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < 4 * count; j++)
        vst1q_s32(scores + m * block + 4 * j, sum[m][j]);
}

// All queries against one run of tiles, which stay in the first-level cache between groups of queries.
NEON ALWAYS void score_run(const int count, const int8_t *q, size_t queries, tile_list tiles, size_t padded,
                           int32_t *scores) {
    for (size_t m = 0; m < queries; m += shared_by(queries - m)) {
        const int8_t *own = q + m * padded;
        int32_t *to = scores + m * block;
#define PART(ROWS, COUNT, T) score_part(ROWS, COUNT, own, tiles + (T), padded, to + (T) * tile)
        switch (shared_by(queries - m)) {
        case 4: UNROLL for (int t = 0; t < count; t++) PART(4, 1, t); break;
        case 2: UNROLL for (int t = 0; t < count; t += 2) PART(2, count < 2 ? 1 : 2, t); break;
        default: PART(1, count, 0); break;
        }
#undef PART
    }
}

NEON void janus_int8_scores_neon(const int8_t *q, const int32_t *starts, size_t queries, tile_list tiles, size_t count,
                                 size_t padded, int32_t *scores) {
    (void)starts;
    size_t t = 0;
#define RUN(COUNT) score_run(COUNT, q, queries, tiles + t, padded, scores + t * tile)
    for (; t + 4 <= count; t += 4) RUN(4);
    for (; t + 2 <= count; t += 2) RUN(2);
    for (; t < count; t++) RUN(1);
#undef RUN
}

// `rows` rows of weights times lanes `lane` … + `vectors` · 4 of the values (constants). 128 is taken away from the weights,
// and 128 times the sum of the values is added in the end.
NEON ALWAYS void mix_part(const int rows, const int vectors, const uint8_t *weights, tile_list tiles, size_t count,
                          size_t padded, size_t lane, int32_t *products) {
    const int8x16_t ones = vdupq_n_s8(1);
    int32x4_t sum[4][8], all[8];
    UNROLL for (int j = 0; j < vectors; j++) {
        all[j] = vdupq_n_s32(0);
        UNROLL for (int m = 0; m < rows; m++) sum[m][j] = vdupq_n_s32(0);
    }
    for (size_t t = 0; t < count; t++, weights += tile) {
        const char *values = (const char *)tiles[t] + 4 * lane, *later = (const char *)tiles[t + ahead] + 4 * lane;
        int8x16_t weight[4];
        UNROLL for (int m = 0; m < rows; m++) weight[m] = load_less_128(weights + (size_t)m * block);
        UNROLL for (int four = 0; four < 4; four++) UNROLL for (int j = 0; j < vectors; j++) {
            size_t place = (size_t)four * 4 * padded + 16 * (size_t)j;
            if (rows <= 2 && j % 4 == 0) __builtin_prefetch(later + place);
            int8x16_t value = load(values + place);
            all[j] = dot4(all[j], value, ones, 0);
            UNROLL for (int m = 0; m < rows; m++) sum[m][j] = dot4(sum[m][j], value, weight[m], four);
        }
    }
    UNROLL for (int m = 0; m < rows; m++) UNROLL for (int j = 0; j < vectors; j++)
        vst1q_s32(products + (size_t)m * padded + 4 * j, vaddq_s32(sum[m][j], vshlq_n_s32(all[j], 7)));
}

NEON ALWAYS void mix_run(const int vectors, const uint8_t *weights, size_t rows, tile_list tiles, size_t count,
                         size_t padded, size_t lane, int32_t *products) {
    for (size_t m = 0; m < rows; m += shared_by(rows - m)) {
        const uint8_t *own = weights + m * block;
        int32_t *to = products + m * padded + lane;
#define PART(ROWS, VECTORS, J) mix_part(ROWS, VECTORS, own, tiles, count, padded, lane + 4 * (size_t)(J), to + 4 * (J))
        switch (shared_by(rows - m)) {
        case 4: UNROLL for (int j = 0; j < vectors; j += 4) PART(4, 4, j); break;
        case 2: PART(2, vectors, 0); break;
        default: PART(1, vectors, 0); break;
        }
#undef PART
    }
}

NEON void janus_int8_mix_neon(const uint8_t *weights, size_t rows, tile_list tiles, size_t count, size_t padded,
                              int32_t *products) {
    size_t lane = 0;
#define RUN(LANES) mix_run(LANES / 4, weights, rows, tiles, count, padded, lane, products)
    for (; lane + 32 <= padded; lane += 32) RUN(32);
    for (; lane < padded; lane += 16) RUN(16);
#undef RUN
}
#endif
