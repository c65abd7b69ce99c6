// A program of many cases: `program NAME` runs one, and prints only what must be the same on every Linux.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct test { const char *name; void (*run)(void); };

// One line: what was done and what came of it, with the error's name.
static void say(const char *what, long result) {
    int error = errno;
    if (result == -1) printf("%s: %s\n", what, strerrorname_np(error) ? strerrorname_np(error) : "?");
    else printf("%s: %ld\n", what, result);
    errno = 0;
}
#define SAY(call) (errno = 0, say(#call, (long)(call)))

static void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) == -1 && errno == EINTR) {}
}

static long now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// A child that does something and ends; its status in words.
static void say_status(const char *what, int status) {
    if (WIFEXITED(status)) printf("%s: exited %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) printf("%s: killed by %d\n", what, WTERMSIG(status));
    else if (WIFSTOPPED(status)) printf("%s: stopped by %d\n", what, WSTOPSIG(status));
    else if (WIFCONTINUED(status)) printf("%s: continued\n", what);
}

#define CHILD(...) ({ fflush(stdout); pid_t pid_ = fork(); if (pid_ == 0) { __VA_ARGS__; fflush(stdout); _exit(0); } pid_; })
static int wait_for(pid_t pid) { int status = -1; while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {} return status; }

#define MAIN(...) \
    static const struct test tests[] = {__VA_ARGS__}; \
    int main(int argc, char **argv) { \
        if (argc < 2) { for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) puts(tests[i].name); return 0; } \
        setvbuf(stdout, 0, _IOLBF, 0); \
        chdir("/tmp"); \
        for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) \
            if (!strcmp(argv[1], tests[i].name)) { \
                /* A process of its own, which nothing else is a child of. */ \
                pid_t child = CHILD(tests[i].run()); \
                int status = wait_for(child); \
                say_status("the case", status); \
                return 0; \
            } \
        return 99; \
    }
#define TEST(name) {#name, name}
