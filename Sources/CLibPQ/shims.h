#pragma once
#include <libpq-fe.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/// A descriptor that another thread can make readable: ends a wait in poll(). -1 when there are no descriptors left.
static inline int janus_wake_open(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

static inline void janus_wake_signal(int descriptor) {
    uint64_t one = 1;
    // Full means signaled already.
    (void)!write(descriptor, &one, sizeof one);
}

static inline void janus_wake_drain(int descriptor) {
    uint64_t count;
    (void)!read(descriptor, &count, sizeof count);
}

static inline void janus_wake_close(int descriptor) { close(descriptor); }

/// Notices go nowhere: libpq would print them to standard error. (A function pointer with C variadics behind it
/// is set here, since Swift need not see it.)
static inline void janus_ignore_notice(void *context, const PGresult *notice) { (void)context; (void)notice; }
static inline void janus_silence_notices(PGconn *connection) {
    PQsetNoticeReceiver(connection, janus_ignore_notice, 0);
}
