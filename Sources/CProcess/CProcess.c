#define _GNU_SOURCE
#include "CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum { child_socket = 3 };

/// For good, root's too: with no_new_privs, exec gives back nothing that was given up before. Returns −1 with errno.
static int drop_capabilities(void) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    // who may not lower the bounding set gains nothing of it either
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) != 0) return -1;
    unsigned held = 0;
    for (int index = 0; index < _LINUX_CAPABILITY_U32S_3; index++)
        held |= sets[index].effective | sets[index].permitted | sets[index].inheritable;
    if (held == 0) return 0; // a service manager's filter may refuse what is not needed
    memset(sets, 0, sizeof sets);
    return (int)syscall(SYS_capset, &header, sets);
}

/// Between fork and exec: async-signal-safe calls only. Reports errno through `report` when exec fails.
static _Noreturn void become_child(const char *path, const char *const *arguments, const char *const *environment, int socket_fd,
                                   int output_fd, int oom_score_adj, pid_t parent, int report) {
    int failure;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) goto fail;
    if (getppid() != parent) _exit(1);  // the parent died before the line above

    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    // move them out of the way before 0 to 3 are taken
    int socket_high = fcntl(socket_fd, F_DUPFD_CLOEXEC, 10);
    int output_high = fcntl(output_fd, F_DUPFD_CLOEXEC, 10);
    int report_high = fcntl(report, F_DUPFD_CLOEXEC, 10);
    if (socket_high < 0 || output_high < 0 || report_high < 0) goto fail;
    report = report_high;
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, 0) < 0 || dup2(output_high, 1) < 0 || dup2(output_high, 2) < 0) goto fail;
    if (dup2(socket_high, child_socket) < 0) goto fail;
    // everything above 3 closes on exec, whoever opened it
    if (syscall(SYS_close_range, child_socket + 1, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0) goto fail;

    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {  // best effort: a container may forbid it
        char digits[8];
        int length = 0, value = oom_score_adj < 0 ? 0 : oom_score_adj > 1000 ? 1000 : oom_score_adj;
        char reversed[8];
        do { reversed[length++] = (char)('0' + value % 10); value /= 10; } while (value > 0);
        for (int index = 0; index < length; index++) digits[index] = reversed[length - 1 - index];
        ssize_t ignored = write(file, digits, (size_t)length);
        (void)ignored;
    }
    if (drop_capabilities() != 0) goto fail;
    execve(path, (char *const *)arguments, (char *const *)environment);  // exec changes none of them
fail:
    failure = errno;
    ssize_t ignored = write(report, &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

pid_t janus_spawn(const char *path, const char *const *arguments, const char *const *environment, int socket_fd,
                  int output_fd, int oom_score_adj, int *pidfd) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return -errno;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0)
        become_child(path, arguments, environment, socket_fd, output_fd, oom_score_adj, parent, report[1]);
    int failure = child < 0 ? errno : 0;
    close(report[1]);
    if (failure == 0) {
        ssize_t count;
        do { count = read(report[0], &failure, sizeof failure); } while (count < 0 && errno == EINTR);
        if (count != sizeof failure) failure = 0;  // closed by a successful exec
    }
    close(report[0]);
    if (failure == 0) {
        *pidfd = (int)syscall(SYS_pidfd_open, child, 0);
        if (*pidfd < 0) {
            failure = errno;
            kill(child, SIGKILL);
        }
    }
    if (failure != 0) {
        if (child > 0) waitpid(child, NULL, 0);
        return -failure;
    }
    return child;
}

int janus_socketpair(int *first, int *second) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return -errno;
    *first = pair[0];
    *second = pair[1];
    return 0;
}

int janus_pipe(int *read_end, int *write_end) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}

int janus_wait_exit(int pidfd, int milliseconds) {
    struct pollfd entry = {.fd = pidfd, .events = POLLIN};
    for (;;) {
        int count = poll(&entry, 1, milliseconds);
        if (count > 0) return 1;
        if (count == 0) return 0;
        if (errno != EINTR) return -errno;
    }
}

int janus_reap(int pidfd, int *code, int *by_signal) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0)
        if (errno != EINTR) return -errno;
    *code = info.si_status;
    *by_signal = info.si_code != CLD_EXITED;
    return 0;
}

int janus_signal(int pidfd, int signal) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0 ? 0 : -errno;
}

long janus_raise_descriptors(long wish) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -errno;
    rlim_t raised = limit.rlim_max < (rlim_t)wish ? limit.rlim_max : (rlim_t)wish;
    if (limit.rlim_cur < raised) {
        rlim_t soft = limit.rlim_cur;
        limit.rlim_cur = raised;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = soft;  // a sandbox may forbid it
    }
    return limit.rlim_cur > LONG_MAX ? LONG_MAX : (long)limit.rlim_cur;
}

double janus_boot_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

uint64_t janus_monotonic_microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int janus_notify(const char *address, const char *message) {
    struct sockaddr_un target = {.sun_family = AF_UNIX};
    size_t length = strlen(address);
    if (length == 0 || length >= sizeof target.sun_path) return -EINVAL;
    memcpy(target.sun_path, address, length);
    if (target.sun_path[0] == '@') target.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ssize_t sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&target, bytes);
    int failure = sent < 0 ? errno : 0;
    close(fd);
    return -failure;
}
