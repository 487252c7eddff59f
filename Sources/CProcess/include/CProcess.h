#pragma once
// What a supervisor needs of the kernel and Swift cannot do: code between fork and exec, and calls without a
// Swift overlay. Every function returns 0 or a negative errno.

#include <stdint.h>
#include <sys/types.h>

/// Starts `path` as a child that dies with the calling *thread* (PR_SET_PDEATHSIG): call it from one that lives
/// as long as the process.
///
/// The child gets `socket_fd` as descriptor 3, `output_fd` as standard output and error, /dev/null as input, no other
/// descriptor, no capability and no way to gain one, default signals, `environment` and nothing else of ours, and
/// `oom_score_adj`.
/// - Returns: the child's pid, with its pidfd in `*pidfd`; or a negative errno, that of exec included.
pid_t janus_spawn(const char *_Nonnull path, const char *_Nullable const *_Nonnull arguments,
                  const char *_Nullable const *_Nonnull environment, int socket_fd, int output_fd,
                  int oom_score_adj, int *_Nonnull pidfd);

/// A pair of connected stream sockets, both close-on-exec.
int janus_socketpair(int *_Nonnull first, int *_Nonnull second);

/// A pipe, both ends close-on-exec.
int janus_pipe(int *_Nonnull read_end, int *_Nonnull write_end);

/// Waits until the child behind `pidfd` has ended, at most `milliseconds` (−1: for ever).
/// - Returns: 1 ended, 0 not yet, or a negative errno. The child is not reaped.
int janus_wait_exit(int pidfd, int milliseconds);

/// Reaps the child behind `pidfd`. `*code` is the exit status, or the signal when `*by_signal` is not 0.
int janus_reap(int pidfd, int *_Nonnull code, int *_Nonnull by_signal);

/// Sends a signal to the child behind `pidfd`; −ESRCH when it has ended.
int janus_signal(int pidfd, int signal);

/// Raises the limit of open descriptors to `wish`, or as far as the hard limit goes; a higher one stays, and one that may not be raised.
/// - Returns: the limit that holds then, or a negative errno.
long janus_raise_descriptors(long wish);

/// Seconds since boot, time asleep or stopped included (CLOCK_BOOTTIME).
double janus_boot_seconds(void);

/// Microseconds of CLOCK_MONOTONIC, as service managers count.
uint64_t janus_monotonic_microseconds(void);

/// Sends one datagram to the service manager's socket (a path, or '@' and an abstract name).
int janus_notify(const char *_Nonnull address, const char *_Nonnull message);
