// Prints a digest of what each kernel makes of the same values. Machines of every kind must print the same.
#include "values.h"

static uint64_t digest;

static void begin(void) {
    digest = 0xcbf29ce484222325u;
    state = 0x9E3779B97F4A7C15u; // the same values for each kernel, whatever came before it
}

static void add_bytes(const void *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) digest = (digest ^ ((const uint8_t *)from)[i]) * 0x100000001b3u;
}

static void add(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t u = canonical(x[i]);
        add_bytes(&u, sizeof u);
    }
}

static void end(const char *name) { printf("%-20s %016llx\n", name, (unsigned long long)digest); }

enum { count = 1027 };
static float x[count * 40], y[count * 40], z[count * 40];

static void fill_all(enum sizes sizes) {
    fill(x, sizeof x / sizeof *x, sizes, 0);
    fill(y, sizeof y / sizeof *y, sizes, 1);
    fill(z, sizeof z / sizeof *z, sizes, 1);
}

// Functions of one array in place, on every sort of values and on those at which they bend.
static void one_array(const char *name, void (*function)(float *x, size_t n)) {
    begin();
    for (enum sizes sizes = ordinary; sizes < sizes_count; sizes++) {
        fill_all(sizes);
        function(x, count);
        add(x, count);
        for (size_t i = 0; i < count; i++) x[i] = 0.25f * (float)i - 110;
        function(x, count);
        add(x, count);
    }
    end(name);
}

static void softmax(float *values, size_t n) { janus_softmax(values, n, 0.3f); }
static void normalize(float *values, size_t n) { janus_l2_normalize(values, n); }

// x and y to x, for every sort of values.
#define EACH(NAME, ...)                                                                                                \
    do {                                                                                                               \
        begin();                                                                                                       \
        for (enum sizes sizes = ordinary; sizes < sizes_count; sizes++) {                                              \
            fill_all(sizes);                                                                                           \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
        end(NAME);                                                                                                     \
    } while (0)

static void elementwise(void) {
    one_array("gelu", janus_gelu);
    one_array("swish", janus_swish);
    one_array("softmax", softmax);
    one_array("l2_normalize", normalize);
    EACH("swish_multiply", janus_swish_multiply(x, y, count); add(x, count););
    EACH("add", janus_add(x, y, count); add(x, count););
    EACH("rms_norm", janus_rms_norm(x, y, z, count, 1e-6f); add(z, count););
    EACH("layer_norm", janus_layer_norm(x, y, y + count, z, count, 1e-6f); add(z, count););
    EACH("channel_sums", {
        double sums[2 * 33] = {0};
        janus_channel_sums(x, 31, 33, sums);
        for (size_t i = 0; i < 2 * 33; i++) {
            float rounded = (float)sums[i];
            add(&rounded, 1);
            if (rounded == rounded) add_bytes(sums + i, sizeof *sums);
        }
    });
    for (int swish = 0; swish < 2; swish++)
        EACH(swish ? "affine, swish" : "affine", janus_channel_affine(x, y, y + 33, y + 66, z, 31, 33, swish);
             add(z, 31 * 33););
    EACH("rope", janus_rope(x, y, y + 64, 7, 128); add(x, 7 * 128););
    EACH("thin_product", {
        for (size_t rows = 1; rows <= janus_thin_rows_max; rows++) {
            janus_thin_product(x, 135, y, 135, z, 37, rows, 37, 135, rows % 2);
            add(z, rows * 37);
        }
    });
    EACH("attend", {
        janus_attend(x, y, y + 90 * 70, 90, 70, 90, 0.2f, z, z + 70);
        add(z, 160);
    });
}

static void pictures(void) {
    EACH("patches3x3", janus_patches3x3(x, 9, 8, 5, 2, 0, 4, 1, 14, z); add(z, 14 * 9 * 5););
    EACH("upsample2", janus_upsample2(x, 8, 5, 3, 7, z); add(z, 7 * 16 * 5););
    EACH("pixels_u8", {
        uint8_t bytes[count];
        janus_pixels_u8(x, bytes, count);
        add_bytes(bytes, count);
    });
    EACH("picture_fill", {
        static uint16_t rows[6 * 7 * 160];
        for (int kind = 0; kind < 3; kind++) {
            janus_feature_map_fill(x, y, kind ? y + 160 : 0, y + 320, kind == 2, 4, 5, 160, 0, 6, rows);
            for (size_t i = 0; i < 6 * 7 * 160; i++) {
                uint16_t half = (rows[i] & 0x7fff) > 0x7f80 ? 0x7fc0 : rows[i];
                add_bytes(&half, sizeof half);
            }
        }
    });
}

static void sampling(void) {
    EACH("greatest", {
        for (size_t n = 0; n < 40; n++) {
            uint64_t place = janus_greatest(x + n, n);
            add_bytes(&place, sizeof place);
        }
    });
    EACH("guide", janus_guide(x, y, 5, z, count); add(z, count););
    begin();
    fill_all(ordinary);
    for (int i = 0; i < 9; i++) {
        float floor = janus_floor(x, count, 1, 0.5f + 0.1f * (float)i, i % 3 ? 0 : 50, i % 3 == 2 ? 0.4f : 1, z);
        add(&floor, 1);
        struct janus_candidate candidates[count];
        uint32_t counter[3] = {1, 2, (uint32_t)i}, key[2] = {3, 4};
        size_t found = janus_gumbel_candidates(x, 64, 900, i % 2 ? floor : -1, 0.7, 5, counter, key, candidates);
        add_bytes(candidates, found * sizeof *candidates);
    }
    end("floor, candidates");
}

static void conversions(void) {
    begin();
    static uint16_t halves[1 << 16];
    static float wide[1 << 16];
    for (uint32_t i = 0; i < 1 << 16; i++) halves[i] = (uint16_t)i;
    janus_f32_from_bf16(halves, wide, 1 << 16);
    add(wide, 1 << 16);
    janus_f32_from_f16(halves, wide, 1 << 16);
    add(wide, 1 << 16);
    for (uint32_t i = 0; i < 1 << 16; i++) {
        uint32_t word = noise();
        memcpy(wide + i, &word, sizeof word);
    }
    janus_bf16_from_f32(wide, halves, 1 << 16);
    add_bytes(halves, sizeof halves);
    end("conversions");
    begin();
    janus_fill_noise(wide, sizeof wide - 3, 7);
    add_bytes(wide, sizeof wide - 3);
    end("noise");
}

// The scalar twins, and what is packed and quantised for them.
static void products(void) {
    static const char *const names[] = {"bf16 product", "int8 product", "int4 product"};
    for (int precision = janus_precision_bf16; precision <= janus_precision_int4; precision++) {
        begin();
        for (enum sizes sizes = ordinary; sizes < sizes_count; sizes++) {
            struct product p;
            if (make_product(&p, precision, 5, 70, 160, sizes)) {
                run_product(janus_isa_scalar, &p, y, z, 70, 0);
                add(z, 5 * 70);
                size_t values = 128 * p.x.inputs, groups = p.x.inputs / p.weights.group;
                if (precision == janus_precision_bf16) {
                    add_bytes(p.values, 2 * values);
                } else {
                    int is8 = precision == janus_precision_int8;
                    add_bytes(p.values, values / (is8 ? 1 : 2));
                    add_bytes(p.scales, 128 * groups * (is8 ? 4 : 2));
                    add_bytes(p.a, 5 * p.x.inputs);
                    add(p.a_scales, 5 * groups);
                    add_bytes(p.starts, 5 * groups * 4);
                }
            }
            free_product(&p);
        }
        end(names[precision]);
    }
    for (int format = janus_tile_bf16; format <= janus_tile_int8; format++)
        EACH(format == janus_tile_int8 ? "int8 attention" : "bf16 attention", {
            struct cache cache = make_cache(format, x, y, 300, 50);
            run_attention(janus_isa_scalar, x, 4, 300, 0, 0.4f, cache, z);
            add(z, 4 * 50);
            janus_tiles_clear(&cache.layout, 290, cache.tiles);
            run_attention(janus_isa_scalar, x, 2, 289, 1, 0.1f, cache, z);
            add(z, 2 * 50);
            free_cache(cache);
        });
}

int main(void) {
    elementwise();
    pictures();
    sampling();
    conversions();
    products();
    return 0;
}
