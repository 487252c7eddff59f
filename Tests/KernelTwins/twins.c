// Checks each instruction set that this processor has against the scalar twin, bit for bit. The first argument is the
// one that the processor should be found to have at best (empty: any), the second a seed.
#include "values.h"
#include <pthread.h>
#include <stdatomic.h>

static const struct {
    int isa;
    const char *name;
} sets[] = {{janus_isa_scalar, "scalar"},
            {janus_isa_avx2, "avx2"},
            {janus_isa_avx512_vnni, "avx512vnni"},
            {janus_isa_avx512_bf16, "avx512bf16"},
            {janus_isa_neon, "neon"}};
enum { sets_count = sizeof sets / sizeof *sets };

static size_t compared, failures;

// Rounding and the treatment of denormals: a kernel must leave them as they were.
static uint64_t float_control(void) {
#if defined(__aarch64__)
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
#elif defined(__x86_64__)
    return __builtin_ia32_stmxcsr() & 0xffc0;
#else
    return 0;
#endif
}

static void compare(const float *found, const float *expected, size_t n, const char *set, const char *what) {
    compared += n;
    for (size_t i = 0; i < n; i++)
        if (canonical(found[i]) != canonical(expected[i])) {
            if (failures++ < 20)
                printf("FAILED  %s, %s: value %zu is %a, the twin's %a\n", set, what, i, (double)found[i],
                       (double)expected[i]);
            return;
        }
}

// Runs `body` on every set for a copy of `out`, which has n values.
static void on_all_sets(const char *what, const float *out, size_t n, void (*body)(int isa, void *context, float *out),
                        void *context) {
    float *expected = memory(n * sizeof *expected), *found = memory(n * sizeof *found);
    memcpy(expected, out, n * sizeof *out);
    body(janus_isa_scalar, context, expected);
    for (size_t i = 1; i < sets_count; i++) {
        if (!janus_isa_is_supported(sets[i].isa)) continue;
        memcpy(found, out, n * sizeof *out);
        uint64_t before = float_control();
        body(sets[i].isa, context, found);
        if (float_control() != before && failures++ < 20)
            printf("FAILED  %s, %s: the processor's mode is another\n", sets[i].name, what);
        compare(found, expected, n, sets[i].name, what);
    }
    free(expected);
    free(found);
}

struct product_run {
    struct product product;
    const float *bias;
    size_t stride;
    int accumulate;
};

static void product_body(int isa, void *context, float *out) {
    struct product_run *run = context;
    run_product(isa, &run->product, run->bias, out, run->stride, run->accumulate);
}

static void test_product(int precision, size_t rows, size_t outputs, size_t inputs, enum sizes sizes) {
    static const char *const precisions[] = {"bf16", "int8", "int4"};
    char what[100];
    snprintf(what, sizeof what, "%s product of %zu × %zu × %zu, %s", precisions[precision], rows, outputs, inputs,
             size_names[sizes]);
    struct product_run run = {.stride = outputs + below(5), .accumulate = (int)below(2)};
    if (make_product(&run.product, precision, rows, outputs, inputs, sizes)) {
        float *bias = memory(outputs * sizeof *bias), *out = memory(rows * run.stride * sizeof *out);
        fill(bias, outputs, ordinary, 1);
        fill(out, rows * run.stride, ordinary, 1); // what lies between the rows must stay
        run.bias = below(2) ? bias : 0;
        on_all_sets(what, out, rows * run.stride, product_body, &run);
        free(bias);
        free(out);
    }
    free_product(&run.product);
}

static void test_products(void) {
    static const size_t widths[] = {1, 3, 16, 17, 33, 63, 64, 65, 130}, depths[] = {1, 31, 32, 64, 96, 128, 160, 256};
    for (int precision = janus_precision_bf16; precision <= janus_precision_int4; precision++) {
        for (size_t rows = 1; rows <= 64; rows++)
            test_product(precision, rows, widths[below(9)], depths[below(8)], (enum sizes)below(sizes_count));
        for (enum sizes sizes = ordinary; sizes < sizes_count; sizes++) {
            for (size_t rows = 1; rows <= 9; rows++) test_product(precision, rows, 70, 256, sizes);
            test_product(precision, 49 + below(60), 67, 384, sizes);
            for (int i = 0; i < 20; i++)
                test_product(precision, 1 + below(12), 1 + below(140), 1 + below(400), sizes);
        }
        test_product(precision, 2, 128, 4096, ordinary);
    }
}

// A picture's convolution: the rows are its pixels.
static void test_picture(size_t height, size_t width, size_t channels, size_t outputs, int kind, enum sizes sizes) {
    size_t taps = kind == 2 ? 2 : 3, step = kind == 1 ? 2 : 1, out_step = kind == 2 ? 2 : 1;
    size_t origin = kind == 1 ? 1 : kind == 2 ? below(2) : 0;
    struct janus_feature_map picture = {width, channels, width / step, taps, step, origin, origin, out_step};
    size_t pixels = height / step * picture.out_width, inputs = taps * taps * channels;
    struct product_run run = {.stride = outputs};
    float *x = memory(height * width * channels * sizeof *x);
    uint16_t *filled = memory((height + 2) * (width + 2) * channels * sizeof *filled);
    fill(x, height * width * channels, sizes, 0);
    janus_feature_map_fill(x, 0, 0, 0, 0, height, width, channels, 0, height + 2, filled);
    if (make_product(&run.product, janus_precision_bf16, 1, outputs, inputs, sizes)) {
        run.product.x = (struct janus_activations){filled, 0, 0, pixels, inputs, &picture};
        char what[100];
        snprintf(what, sizeof what, "picture of %zu × %zu × %zu to %zu, kind %d, %s", height, width, channels, outputs,
                 kind, size_names[sizes]);
        size_t count = pixels * out_step * out_step * outputs;
        float *out = memory(count * sizeof *out);
        on_all_sets(what, out, count, product_body, &run);
        free(out);
    }
    free_product(&run.product);
    free(x);
    free(filled);
}

struct attention_run {
    const float *queries;
    size_t count, seen, step, size;
    float scale;
    struct cache cache;
};

static void attention_body(int isa, void *context, float *out) {
    struct attention_run *a = context;
    run_attention(isa, a->queries, a->count, a->seen, a->step, a->scale, a->cache, out);
}

// `sharp` makes the weights of most positions vanish, some of them on the brink.
static void attend(struct attention_run run, const char *what) {
    float *out = memory(run.count * run.size * sizeof *out);
    on_all_sets(what, out, run.count * run.size, attention_body, &run);
    free(out);
}

// `sharp` makes the weights of most positions vanish, some of them on the brink.
static void test_attention(int format, size_t positions, size_t size, size_t count, size_t step, enum sizes sizes, int sharp) {
    struct attention_run run = {.count = count, .step = step, .size = size};
    // all queries end in the tile of the last position
    size_t in_tile = (positions - 1) % janus_tile_positions + 1;
    if (step > 0 && count > in_tile) run.count = in_tile;
    run.seen = positions - (run.count - 1) * step;
    run.scale = sharp ? 40 / __builtin_sqrtf((float)size) : 1 / __builtin_sqrtf((float)size);
    if (sizes == edge) run.scale = 0x1p126f; // scores are about 2^-126
    char what[100];
    snprintf(what, sizeof what, "%s attention of %zu queries to %zu positions of %zu, step %zu, %s%s",
             format == janus_tile_int8 ? "int8" : "bf16", run.count, positions, size, step, size_names[sizes],
             sharp ? ", sharp" : "");
    float *queries = memory(run.count * size * sizeof *queries), *keys = memory(positions * size * sizeof *keys);
    float *values = memory(positions * size * sizeof *values);
    fill(queries, run.count * size, sizes, 0);
    fill(keys, positions * size, sizes, sizes == edge);
    fill(values, positions * size, sizes == edge ? ordinary : sizes, 0);
    run.queries = queries;
    run.cache = make_cache(format, keys, values, positions, size);
    attend(run, what);
    free_cache(run.cache);
    free(queries);
    free(keys);
    free(values);
}

// Sums of values ±2^-126, some with a weight of 1, the others with one of about 2^-24.
static void test_brink(size_t positions, size_t size, size_t count) {
    struct attention_run run = {.count = count, .seen = positions, .size = size, .scale = 1};
    float *queries = memory(count * size * sizeof *queries), *keys = memory(positions * size * sizeof *keys);
    float *values = memory(positions * size * sizeof *values);
    for (size_t m = 0; m < count; m++) queries[m * size] = 1;
    for (size_t p = 0; p < positions; p++) keys[p * size] = below(3) ? -16 - 2 * (float)below(10) / 10 : 0;
    for (size_t i = 0; i < positions * size; i++) values[i] = __builtin_copysignf(0x1p-126f, unit());
    run.queries = queries;
    run.cache = make_cache(janus_tile_bf16, keys, values, positions, size);
    char what[100];
    snprintf(what, sizeof what, "attention of %zu queries to %zu positions of %zu on the brink", count, positions, size);
    attend(run, what);
    free_cache(run.cache);
    free(queries);
    free(keys);
    free(values);
}

static void test_attentions(void) {
    static const size_t heads[] = {1, 2, 16, 24, 33, 48, 64, 80, 96, 128, 130};
    static const size_t lengths[] = {1, 2, 15, 16, 17, 33, 47, 64, 100, 271, 300, 530};
    for (int format = janus_tile_bf16; format <= janus_tile_int8; format++)
        for (enum sizes sizes = ordinary; sizes < sizes_count; sizes++)
            for (int sharp = 0; sharp < 2; sharp++) {
                for (size_t count = 1; count <= janus_attention_queries_max; count++)
                    test_attention(format, lengths[below(9)], heads[below(11)], count, below(2), sizes, sharp);
                for (size_t i = 0; i < 12; i++)
                    test_attention(format, lengths[i], heads[below(11)], 1 + below(4), below(2), sizes, sharp);
                test_attention(format, 31, 512, 2, 1, sizes, sharp);
            }
    for (size_t i = 0; i < 12; i++) test_brink(lengths[i], heads[below(11)], 1 + below(9));
}

// As Threads.swift sees it: a closure's code and what it captures.
typedef __attribute__((swiftcall)) void body(size_t part, __attribute__((swift_context)) void *context);
__attribute__((swiftcall)) void janus_pool_run(size_t parts, body *body, void *context);

static __attribute__((swiftcall)) void count_part(size_t part, __attribute__((swift_context)) void *context) {
    atomic_fetch_add((_Atomic int *)context + part, 1);
}

// Threads claim each part once, also when they come late or slept.
static void test_pool(void) {
    enum { parts = 37, jobs = 400 };
    _Atomic int counts[parts] = {0};
    janus_pool_configure(4);
    for (int job = 0; job < jobs; job++) janus_pool_run(parts, count_part, counts);
    for (int part = 0; part < parts; part++)
        if (counts[part] != jobs && failures++ < 20)
            printf("FAILED  the pool ran part %d %d times in %d jobs\n", part, counts[part], jobs);
    janus_pool_configure(1);
}

int main(int argc, char **argv) {
    state = argc > 2 ? strtoull(argv[2], 0, 10) | 1 : 1;
    const char *best = "none";
    for (size_t i = 0; i < sets_count; i++)
        if (sets[i].isa == janus_isa_best()) best = sets[i].name;
    if (argc > 1 && argv[1][0] && strcmp(argv[1], best) != 0) {
        printf("FAILED  the best instruction set is %s, expected %s\n", best, argv[1]);
        return 1;
    }
    test_products();
    for (enum sizes sizes = ordinary; sizes < sizes_count; sizes++)
        for (int kind = 0; kind < 3; kind++) {
            test_picture(4, 6, 32, 3, kind, sizes);
            test_picture(2, 50, 64, 70, kind, sizes);
            test_picture(6, 8, 128, 16, kind, sizes);
        }
    test_attentions();
    test_pool();
    int has_probes = janus_probe_int8(10) > 0 && janus_probe_f32(10) > 0;
    if (janus_isa_best() == janus_isa_neon && !has_probes && failures++ < 20) puts("FAILED  there are no ceilings");
    printf("best: %s, seed %s; %zu values compared, %zu failures\n", best, argc > 2 ? argv[2] : "1", compared, failures);
    return failures > 0;
}
