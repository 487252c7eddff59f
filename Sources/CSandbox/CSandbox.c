#define _GNU_SOURCE
#include "CSandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// What computing, memory, threads and an open socket take. Everything else is refused.
static const int allowed[] = {
    // the inherited socket and stderr
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(fstat),
    SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(poll), SCMP_SYS(ppoll),
    // memory
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    // threads, and libdispatch's manager of them
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(gettid),
    SCMP_SYS(getpid), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime), SCMP_SYS(membarrier), SCMP_SYS(getcpu),
    // signals to oneself (a crash)
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    // time and chance
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
    // harmless questions
    SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getppid),
};

static int add_rules(scmp_filter_ctx filter) {
    for (size_t index = 0; index < sizeof allowed / sizeof *allowed; index++) {
        int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[index], 0);
        // A call that this architecture does not have.
        if (error && error != -EDOM) return error;
    }
    int error = 0;
    // Memory, but none that can be executed.
    const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    if (!error) error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_executable);
    if (!error) error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_executable);
    // Threads, but no processes.
    const struct scmp_arg_cmp is_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    if (!error) error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, is_thread);
    if (!error) error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    // A thread's name.
    const struct scmp_arg_cmp is_name = SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0);
    if (!error) error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, is_name);
    // Questions about limits, not changes of them.
    const struct scmp_arg_cmp asks_only = SCMP_A2(SCMP_CMP_EQ, 0, 0);
    if (!error) error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, asks_only);
    // abort() signals itself.
    const struct scmp_arg_cmp is_self = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0);
    if (!error) error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, is_self);
    // Flags of a file that is open already.
    const struct scmp_arg_cmp gets_flags = SCMP_A1(SCMP_CMP_EQ, F_GETFL, 0);
    if (!error) error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, gets_flags);
    return error;
}

static int fail(char *message, const char *what, int error) {
    snprintf(message, JANUS_SANDBOX_MESSAGE_BYTES, "%s: %s", what, strerror(error));
    return error;
}

// Of data: what this process has now, and so much more. Neither it nor anybody it calls can raise that again.
static int limit_memory(uint64_t more_bytes) {
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return errno;
    // total, resident, shared, text, library, data; in pages
    unsigned long long pages;
    int count = fscanf(file, "%*u %*u %*u %*u %*u %llu", &pages);
    fclose(file);
    if (count != 1) return EIO;
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit)) return errno;
    rlim_t wanted = (rlim_t)(pages * (unsigned long long)sysconf(_SC_PAGESIZE) + more_bytes);
    if (wanted < limit.rlim_max) limit.rlim_max = wanted;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_DATA, &limit) ? errno : 0;
}

int janus_sandbox_enter(uint64_t more_bytes, char *message) {
    message[0] = 0;
    int unlimited = limit_memory(more_bytes);
    if (unlimited) return fail(message, "no limit of memory can be set", unlimited);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return fail(message, "prctl(PR_SET_NO_NEW_PRIVS)", errno);
    // Neither core dumps nor tracers see what users sent.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) return fail(message, "prctl(PR_SET_DUMPABLE)", errno);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter) return fail(message, "seccomp_init", ENOMEM);
    // OpenBLAS's threads and the socket's reader exist already.
    int error = -seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!error) error = -add_rules(filter);
    if (!error) error = -seccomp_load(filter);
    seccomp_release(filter);
    return error ? fail(message, "the kernel takes no seccomp filter", error) : 0;
}

const char *janus_sandbox_escape(void) {
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0) return "socket(AF_INET)";
    if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0) return "socket(AF_UNIX)";
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) return "socketpair";
    if (open("/dev/null", O_WRONLY) >= 0) return "open for writing";
    if (open("/etc/passwd", O_RDONLY) >= 0) return "open for reading";
    if (open("/tmp", O_TMPFILE | O_RDWR, 0600) >= 0) return "a temporary file";
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0) {
        waitpid(child, NULL, 0);
        return "fork";
    }
    char *const nothing[] = {NULL};
    if (execve("/bin/true", nothing, nothing) == 0 || errno != EPERM) return "execve";
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0) return "ptrace";
    if (kill(getppid(), 0) == 0) return "a signal to the parent";
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code != MAP_FAILED) return "executable memory";
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur != limit.rlim_max)
        return "memory without a limit";
    void *more = mmap(NULL, limit.rlim_cur, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (more != MAP_FAILED) return "memory beyond the limit";
    if (setrlimit(RLIMIT_DATA, &limit) == 0) return "a change of the limit";
    if (unlink("/tmp/janus-sandbox-check") == 0 || errno != EPERM) return "unlink";
    return NULL;
}
