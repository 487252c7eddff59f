// Memory of a thread that is used again and again: it grows, never shrinks, and goes with its thread.
#include "JanusRuntime.h"
#include <pthread.h>
#include <stdlib.h>

enum { alignment = 64 };

struct memory {
    void *base[janus_scratch_slots];
    size_t bytes[janus_scratch_slots];
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int has_key;

static void release(void *argument) {
    struct memory *own = argument;
    for (int slot = 0; slot < janus_scratch_slots; slot++) free(own->base[slot]);
    free(own);
}

static void make_key(void) { has_key = pthread_key_create(&key, release) == 0; }

void *janus_scratch(int slot, size_t bytes) {
    pthread_once(&once, make_key);
    if (!has_key) return 0;
    struct memory *own = pthread_getspecific(key);
    if (!own) {
        own = calloc(1, sizeof *own);
        if (!own) return 0;
        if (pthread_setspecific(key, own) != 0) {
            free(own);
            return 0;
        }
    }
    if (own->bytes[slot] < bytes || !own->base[slot]) {
        void *larger = 0;
        if (posix_memalign(&larger, alignment, bytes + alignment) != 0) return 0;
        free(own->base[slot]);
        own->base[slot] = larger;
        own->bytes[slot] = bytes;
    }
    return own->base[slot];
}
