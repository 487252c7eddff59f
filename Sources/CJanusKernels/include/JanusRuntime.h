// What kernels run on: instruction sets, threads and their memory.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Instruction sets; those of x86 are each a superset of the one before. `scalar` is the twin that the others are tested
// against. `neon` is that of aarch64 with the dot product extension.
enum janus_isa {
    janus_isa_scalar = 0,
    janus_isa_avx2 = 1,
    janus_isa_avx512_vnni = 2,
    janus_isa_avx512_bf16 = 3,
    janus_isa_neon = 4,
};
// Whether this processor has it, and the greatest that it has.
int janus_isa_is_supported(int isa);
int janus_isa_best(void);

// Threads that stay. `count` in all, the caller's own included; more are started as they are needed.
void janus_pool_configure(size_t count);
// janus_pool_run, which takes a Swift closure, is declared in Threads.swift.

// Memory of the calling thread, at least `bytes` of it, 64-byte aligned, with whatever was in it; the same as at the last
// call for that slot where it was large enough. 0 when there is none.
enum { janus_scratch_slots = 4 };
void *janus_scratch(int slot, size_t bytes);
