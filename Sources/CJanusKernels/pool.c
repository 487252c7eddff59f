// A pool whose parts are claimed from one counter. The counter's upper half is the job's number: a thread that wakes up
// late cannot claim a part of a job that has ended, so nobody waits for sleepers.
#include "JanusRuntime.h"
#include <pthread.h>
#include <stdatomic.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { threads_max = 256, spins_max = 20000 };

// A Swift closure that does not escape: its code, and what it captures in the register where Swift looks for it. As a C
// function with a pointer it would have to be boxed on the heap, every time.
typedef __attribute__((swiftcall)) void janus_part(size_t part, __attribute__((swift_context)) void *context);

static pthread_mutex_t submitting = PTHREAD_MUTEX_INITIALIZER;
static size_t started = 1;                  // guarded by `submitting`
static _Atomic size_t allowed = 1;
static _Atomic uint64_t ticket;             // job << 32 | next part
static _Atomic uint32_t job_number;         // what sleepers wait on
static _Atomic size_t job_parts;
static _Atomic(janus_part *) job_body;
static _Atomic(void *) job_context;
static _Atomic size_t remaining;
static _Atomic uint32_t sleepers;

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); // takes about as long as x86's pause; "yield" does nothing on most processors
#endif
}

// Works on the job with this number until it has no part left.
static void work(uint32_t job) {
    for (;;) {
        uint64_t now = atomic_load_explicit(&ticket, memory_order_acquire);
        size_t parts = atomic_load_explicit(&job_parts, memory_order_relaxed);
        janus_part *body = atomic_load_explicit(&job_body, memory_order_relaxed);
        void *context = atomic_load_explicit(&job_context, memory_order_relaxed);
        if ((uint32_t)(now >> 32) != job || (uint32_t)now >= parts) return;
        // When this succeeds, the job still had that part to give, so what was read above was its own.
        if (!atomic_compare_exchange_strong_explicit(&ticket, &now, now + 1, memory_order_acq_rel,
                                                     memory_order_relaxed))
            continue;
        body((uint32_t)now, context);
        atomic_fetch_sub_explicit(&remaining, 1, memory_order_release);
    }
}

static void wait_for_next(uint32_t seen) {
    for (int spin = 0; spin < spins_max; spin++) {
        if (atomic_load_explicit(&job_number, memory_order_acquire) != seen) return;
        pause_briefly();
    }
    atomic_fetch_add(&sleepers, 1);
    while (atomic_load(&job_number) == seen) {
#if defined(__linux__)
        syscall(SYS_futex, &job_number, FUTEX_WAIT_PRIVATE, seen, 0, 0, 0);
#else
        pause_briefly();
#endif
    }
    atomic_fetch_sub(&sleepers, 1);
}

static void *thread(void *argument) {
    size_t index = (size_t)argument;
    uint32_t seen = 0;
    for (;;) {
        wait_for_next(seen);
        seen = atomic_load_explicit(&job_number, memory_order_acquire);
        if (index < atomic_load_explicit(&allowed, memory_order_relaxed)) work(seen);
    }
    return 0;
}

void janus_pool_configure(size_t count) {
    if (count < 1) count = 1;
    if (count > threads_max) count = threads_max;
    pthread_mutex_lock(&submitting);
    atomic_store_explicit(&allowed, count, memory_order_relaxed);
    while (started < count) {
        pthread_attr_t attributes;
        pthread_t handle;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        int failed = pthread_create(&handle, &attributes, thread, (void *)started);
        pthread_attr_destroy(&attributes);
        if (failed) break; // fewer threads: slower, never different
        started++;
    }
    pthread_mutex_unlock(&submitting);
}

// Threads.swift declares it, as C cannot: janus_pool_run(parts, body), where body is a closure.
__attribute__((swiftcall)) void janus_pool_run(size_t parts, janus_part *body, void *context) {
    if (parts < 2 || atomic_load_explicit(&allowed, memory_order_relaxed) < 2 || parts > UINT32_MAX ||
        pthread_mutex_trylock(&submitting) != 0) {
        for (size_t part = 0; part < parts; part++) body(part, context);
        return;
    }
    // The last job's ticket is used up, so nobody can claim while these change.
    uint32_t job = atomic_load_explicit(&job_number, memory_order_relaxed) + 1;
    atomic_store_explicit(&ticket, (uint64_t)job << 32 | UINT32_MAX, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    atomic_store_explicit(&job_parts, parts, memory_order_relaxed);
    atomic_store_explicit(&job_body, body, memory_order_relaxed);
    atomic_store_explicit(&job_context, context, memory_order_relaxed);
    atomic_store_explicit(&remaining, parts, memory_order_relaxed);
    atomic_store_explicit(&ticket, (uint64_t)job << 32, memory_order_release);
    atomic_store(&job_number, job);
    if (atomic_load(&sleepers) > 0) {
#if defined(__linux__)
        syscall(SYS_futex, &job_number, FUTEX_WAKE_PRIVATE, threads_max, 0, 0, 0);
#endif
    }
    work(job);
    for (int spin = 0; atomic_load_explicit(&remaining, memory_order_acquire) > 0; spin++) {
        pause_briefly();
#if defined(__linux__)
        if (spin > spins_max / 10) syscall(SYS_sched_yield);
#endif
    }
    pthread_mutex_unlock(&submitting);
}
