// A program of many cases: `program NAME` runs one, `program` alone prints the names of all.
//
// A case prints only what must be the same on every Linux: no pids, no addresses, and no times but comparisons that
// hold on a loaded machine.
#include <dirent.h>
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

// What a program need not use all of.
#define HELPER static __attribute__((unused))

struct test {
    const char *name;
    void (*run)(void);
};

// One line: what was done and what came of it, with the error's name.
HELPER void say(const char *what, long result) {
    int error = errno;
    if (result == -1)
        printf("%s: %s\n", what, strerrorname_np(error) ? strerrorname_np(error) : "?");
    else
        printf("%s: %ld\n", what, result);
    errno = 0;
}
#define SAY(call) (errno = 0, say(#call, (long)(call)))

HELPER void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) == -1 && errno == EINTR) {
    }
}

HELPER long now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// How a child ended or what else happened to it, in words.
HELPER void say_status(const char *what, int status) {
    if (WIFEXITED(status))
        printf("%s: exited %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        printf("%s: killed by %d\n", what, WTERMSIG(status));
    else if (WIFSTOPPED(status))
        printf("%s: stopped by %d\n", what, WSTOPSIG(status));
    else if (WIFCONTINUED(status))
        printf("%s: continued\n", what);
}

HELPER pid_t start_child(void) {
    fflush(stdout);
    return fork();
}

HELPER void end_child(void) {
    fflush(stdout);
    _exit(0);
}

// `IN_CHILD(pid) { ... }`: what stands in braces is done by a child, which then exits with 0 if it has not before.
#define IN_CHILD(pid) for (pid = start_child(); pid == 0; end_child())

// The same for a statement or two, as an expression: the child's pid.
#define CHILD(...)             \
    ({                         \
        pid_t pid_;            \
        IN_CHILD(pid_) {       \
            __VA_ARGS__;       \
        }                      \
        pid_;                  \
    })

HELPER int wait_for(pid_t pid) {
    int status = -1;
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
    }
    return status;
}

// The state of a thread of a process, as /proc has it: 'R', 'S', ...
HELPER char state_of(int pid, int tid) {
    char name[64], line[256];
    snprintf(name, sizeof name, "/proc/%d/task/%d/stat", pid, tid);
    int file = open(name, O_RDONLY | O_CLOEXEC);
    long size = file < 0 ? 0 : read(file, line, sizeof line - 1);
    close(file);
    line[size < 0 ? 0 : size] = 0;
    char *state = strrchr(line, ')');
    return state ? state[2] : '?';
}

// Waits until the process sleeps in a system call, so that what is done next meets it there.
HELPER void until_asleep(pid_t pid) {
    for (int tries = 0; tries < 4000; tries++) {
        if (state_of(pid, pid) == 'S')
            return;
        sleep_ms(5);
    }
    puts("never fell asleep");
}

// Waits until so many threads of this process sleep.
HELPER void until_threads_sleep(int count) {
    for (int tries = 0; tries < 4000; tries++) {
        int asleep = 0;
        DIR *tasks = opendir("/proc/self/task");
        for (struct dirent *task; (task = readdir(tasks));)
            asleep += task->d_name[0] != '.' && state_of(getpid(), atoi(task->d_name)) == 'S';
        closedir(tasks);
        if (asleep >= count)
            return;
        sleep_ms(5);
    }
    puts("never fell asleep");
}

// A gate is a pipe: `pass` waits for one `release`.
HELPER void pass(const int *gate) {
    char byte;
    while (read(gate[0], &byte, 1) == -1 && errno == EINTR) {
    }
}

HELPER void release(const int *gate) {
    write(gate[1], "", 1);
}

HELPER int run_case(const struct test *test) {
    setvbuf(stdout, 0, _IOLBF, 0);
    chdir("/tmp");
    // A process of its own, which nothing else is a child of.
    pid_t child;
    IN_CHILD(child) {
        test->run();
    }
    say_status("the case", wait_for(child));
    return 0;
}

#define MAIN(...)                                                       \
    static const struct test tests[] = {__VA_ARGS__};                   \
    int main(int argc, char **argv) {                                   \
        for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {   \
            if (argc < 2)                                               \
                puts(tests[i].name);                                    \
            else if (!strcmp(argv[1], tests[i].name))                   \
                return run_case(&tests[i]);                             \
        }                                                               \
        return argc < 2 ? 0 : 99;                                       \
    }
#define TEST(name) {#name, name}
