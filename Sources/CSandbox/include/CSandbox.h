// The worker's sandbox. In C because seccomp's rules are made by macros and variadic functions, which Swift does not
// import, and because what it checks must not go through a library that would look elsewhere first.
#pragma once

#include <stdint.h>

enum { JANUS_SANDBOX_MESSAGE_BYTES = 200 };

// Takes from every thread of this process, for good, what a computing process does not need: no new file, socket,
// process or executable memory, no more data than there is and more_bytes; no signal to others. Refused calls fail with
// EPERM (clone3 with ENOSYS, so that glibc falls back to clone, whose flags can be checked).
//
// Returns 0, or an errno with a sentence in message (JANUS_SANDBOX_MESSAGE_BYTES).
int janus_sandbox_enter(uint64_t more_bytes, char *message);

// Tries what the sandbox must refuse. Returns the name of the first thing that was possible, or null.
const char *janus_sandbox_escape(void);
