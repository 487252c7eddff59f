#define _GNU_SOURCE
#include "CAllocations.h"
#include <errno.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { traces_max = 32, depth_max = 24 };

static atomic_int counting;
static atomic_size_t count;
static void *traces[traces_max][depth_max];
static int depths[traces_max];
static _Thread_local int is_noting; // what noting itself takes does not count

static void note(void) {
    if (!atomic_load_explicit(&counting, memory_order_relaxed) || is_noting) return;
    is_noting = 1;
    size_t index = atomic_fetch_add(&count, 1);
    if (index < traces_max) depths[index] = backtrace(traces[index], depth_max);
    is_noting = 0;
}

void janus_allocations_begin(void) {
    // the first call loads what it needs
    void *trace[depth_max];
    backtrace(trace, depth_max);
    atomic_store(&count, 0);
    atomic_store(&counting, 1);
}

size_t janus_allocations_end(void) {
    atomic_store(&counting, 0);
    return atomic_load(&count);
}

void janus_allocations_print(void) {
    size_t noted = atomic_load(&count);
    for (size_t index = 0; index < noted && index < traces_max; index++) {
        // the first two are this file's
        if (depths[index] > 2) backtrace_symbols_fd(traces[index] + 2, depths[index] - 2, STDERR_FILENO);
        if (write(STDERR_FILENO, "\n", 1) < 0) return;
    }
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) {
    note();
    return __libc_malloc(bytes);
}

void *calloc(size_t items, size_t bytes) {
    note();
    return __libc_calloc(items, bytes);
}

void *realloc(void *memory, size_t bytes) {
    note();
    return __libc_realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    note();
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    note();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    note();
    void *address = __libc_memalign(alignment, bytes);
    if (!address) return ENOMEM;
    *memory = address;
    return 0;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    note();
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
}
