// How much a thread has computed, so that what lies between two of its signs of life can be bounded and tested.
#include "CJanusKernels.h"

static _Thread_local uint64_t done;

void janus_count_multiply_adds(uint64_t more) { done += more; }

uint64_t janus_multiply_adds(void) { return done; }
