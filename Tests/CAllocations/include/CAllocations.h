// Counts what a program takes from the heap or maps, on all of its threads: a program that links this has malloc and its
// relatives, and mmap, of its own, which stand before the C library's. With glibc only.
#pragma once
#include <stddef.h>

// From now on, until the end; what was counted before is forgotten.
void janus_allocations_begin(void);
// How many there were since the beginning.
size_t janus_allocations_end(void);
// Writes where the first of them came from to standard error, addresses as addr2line and llvm-symbolizer take them.
void janus_allocations_print(void);
