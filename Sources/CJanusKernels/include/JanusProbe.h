// Ceilings of the machine, for the benchmark; each call does the work once, on one thread.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Reads `bytes` bytes; returns something that depends on all of them.
uint64_t janus_probe_read(const void *memory, size_t bytes);
// `rounds` times 24 independent accumulators of the widest type: operations done (a multiply and an add are two).
uint64_t janus_probe_int8(size_t rounds);
uint64_t janus_probe_bf16(size_t rounds);
uint64_t janus_probe_f32(size_t rounds);
// Deterministic noise, to make weights of.
void janus_fill_noise(void *memory, size_t bytes, uint64_t seed);
