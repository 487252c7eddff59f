#include "JanusRuntime.h"
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

int janus_isa_is_supported(int isa) {
    if (isa == janus_isa_scalar) return 1;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    int vnni = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni");
    switch (isa) {
    case janus_isa_avx2: return avx2;
    case janus_isa_avx512_vnni: return vnni;
    case janus_isa_avx512_bf16: return vnni && __builtin_cpu_supports("avx512bf16");
    }
#elif defined(__aarch64__) && defined(__linux__)
    if (isa == janus_isa_neon) return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
    return 0;
}

int janus_isa_best(void) {
    for (int isa = janus_isa_neon; isa > janus_isa_scalar; isa--)
        if (janus_isa_is_supported(isa)) return isa;
    return janus_isa_scalar;
}
