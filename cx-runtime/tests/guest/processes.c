// Processes: fork, vfork, clone, exec, wait, groups, sessions, credentials, limits.
#include "cases.h"
#include <grp.h>
#include <sched.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>

static int shared;
static void forks(void) {
    int *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
        *own = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *own = shared = 1;
    int ends[2];
    pipe(ends);
    off_t offset;
    int file = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
    write(file, "0123456789", 10);
    lseek(file, 0, SEEK_SET);
    pid_t child;
    IN_CHILD (child) {
        *map = 5;
        *own = 6;
        shared = 7;
        lseek(file, 4, SEEK_SET);
        close(ends[0]);
        write(ends[1], "x", 1);
        _exit(*own + shared);
    }

    say_status("child", wait_for(child));
    offset = lseek(file, 0, SEEK_CUR);
    printf("shared %d own %d data %d offset %ld\n", *map, *own, shared, (long)offset);
    SAY(fcntl(file, F_SETFD, FD_CLOEXEC));
    IN_CHILD (child) {
        _exit(fcntl(file, F_GETFD));
    }
    say_status("cloexec is inherited", wait_for(child));
    child = vfork();
    if (!child) {
        shared = 9;
        _exit(4);
    }
    say_status("vfork", wait_for(child));
    printf("written by the vforked child: %d\n", shared);
    long before = now_ms();
    child = vfork();
    if (!child) {
        struct timespec t = {0, 80000000};
        nanosleep(&t, 0);
        execl("/bin/true", "true", (char *)0);
        _exit(1);
    }
    printf("vfork waited: %d\n", now_ms() - before >= 79);
    say_status("exec", wait_for(child));
    for (int i = 0; i < 200; i++) {
        child = fork();
        if (!child) _exit(i & 63);
        if (WEXITSTATUS(wait_for(child)) != (i & 63)) puts("wrong status");
    }
    puts("two hundred forks");
    pid_t me = getpid();
    IN_CHILD (child) {
        printf("getppid %d\n", getppid() == me);
    }
    wait_for(child);
}

static char stack[65536] __attribute__((aligned(16)));
static int clone_main(void *arg) {
    shared = (long)arg;
    if (arg == (void *)3) close(9);
    return 17;
}
static void clones(void) {
    int status;
    pid_t pid = clone(clone_main, stack + sizeof stack, SIGCHLD, (void *)1);
    SAY(waitpid(pid, &status, 0) == pid);
    say_status("plain", status);
    printf("memory %d\n", shared);
    pid = clone(clone_main, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)2);
    waitpid(pid, &status, 0);
    printf("memory shared %d\n", shared);
    dup2(1, 9);
    pid = clone(clone_main, stack + sizeof stack, CLONE_VM | CLONE_FILES | SIGCHLD, (void *)3);
    waitpid(pid, &status, 0);
    SAY(fcntl(9, F_GETFD));
    pid = clone(clone_main, stack + sizeof stack, 0, (void *)1);
    SAY(waitpid(pid, &status, 0));
    SAY(waitpid(pid, &status, __WCLONE) == pid);
    pid = clone(clone_main, stack + sizeof stack, 0, (void *)1);
    SAY(waitpid(pid, &status, __WALL) == pid);
    int parent_tid = 0, child_tid = 0;
    pid = clone(clone_main, stack + sizeof stack, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_VM | SIGCHLD,
                (void *)1, &parent_tid, 0, &child_tid);
    waitpid(pid, &status, 0);
    printf("tids %d %d\n", parent_tid == pid, child_tid == pid);
    SAY(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0));
    SAY(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
    SAY(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0));
    struct clone_args args = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD};
    int pidfd = -1;
    args.pidfd = (uintptr_t)&pidfd;
    args.flags = 0;
    pid = syscall(SYS_clone3, &args, sizeof args);
    if (!pid) _exit(21);
    waitpid(pid, &status, 0);
    say_status("clone3", status);
    SAY(syscall(SYS_clone3, &args, 8));
    args.exit_signal = 1000;
    SAY(syscall(SYS_clone3, &args, sizeof args));
    args.exit_signal = 0;
    args.flags = CLONE_THREAD;
    SAY(syscall(SYS_clone3, &args, sizeof args));
    SAY(unshare(CLONE_FILES));
    SAY(unshare(CLONE_FS));
    SAY(unshare(0x7));
}

static void waits(void) {
    int status;
    siginfo_t info;
    SAY(wait(&status));
    SAY(waitpid(getpid(), &status, 0));
    SAY(waitpid(-1, &status, 0x40000000 | 0x100));
    int ends[2];
    pipe(ends);
    pid_t a, b;
    IN_CHILD (a) {
        _exit(1);
    }
    IN_CHILD (b) {
        pass(ends);
        _exit(2);
    }
    SAY(waitid(P_PID, a, &info, WEXITED | WNOWAIT));
    printf("code %d status %d pid %d\n", info.si_code, info.si_status, info.si_pid == a);
    SAY(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
    printf("pid %d\n", info.si_pid == a);
    info.si_pid = 5;
    SAY(waitid(P_PID, b, &info, WEXITED | WNOHANG));
    printf("pid %d\n", info.si_pid);
    SAY(waitpid(b, &status, WNOHANG));
    release(ends);
    SAY(waitid(P_PGID, getpgrp(), &info, WEXITED));
    printf("b %d\n", info.si_pid == b);
    SAY(waitid(P_PID, a, &info, 0));
    SAY(waitid(77, a, &info, WEXITED));
    SAY(waitid(P_PID, a, &info, WEXITED));
    struct rusage usage;
    IN_CHILD (a) {
        for (volatile int i = 0; i < 30000000; i++) {
        }
        _exit(0);
    }
    SAY(wait4(a, &status, 0, &usage) == a);
    printf("used time %d memory %d\n", usage.ru_utime.tv_sec + usage.ru_utime.tv_usec > 0, usage.ru_maxrss > 0);
    IN_CHILD (a) {
        setpgid(0, 0);
        pass(ends);
        _exit(8);
    }
    setpgid(a, a);
    SAY(waitpid(0, &status, WNOHANG));
    release(ends);
    SAY(waitpid(-a, &status, 0) == a);
    IN_CHILD (b) {
        raise(SIGSTOP);
        pass(ends);
        _exit(3);
    }
    SAY(waitid(P_PID, b, &info, WSTOPPED));
    printf("code %d status %d\n", info.si_code, info.si_status);
    kill(b, SIGCONT);
    SAY(waitid(P_PID, b, &info, WCONTINUED));
    printf("code %d status %d\n", info.si_code, info.si_status);
    release(ends);
    SAY(waitid(P_PID, b, &info, WEXITED));
    printf("code %d status %d\n", info.si_code, info.si_status);
    pipe(ends);
    IN_CHILD (a) {
        pid_t parent = getpid();
        pid_t grandchild = fork();
        if (!grandchild) {
            while (getppid() == parent)
                sleep_ms(5);
            int orphan = getppid() == 1;
            write(ends[1], &orphan, 4);
            _exit(0);
        }
        _exit(5);
    }
    wait_for(a);
    close(ends[1]);
    int orphan = 0;
    read(ends[0], &orphan, 4);
    printf("orphan %d\n", orphan);
    SAY(read(ends[0], &orphan, 4));
    SAY(prctl(PR_SET_CHILD_SUBREAPER, 1));
    IN_CHILD (a) {
        pid_t parent = getpid(), reaper = getppid();
        if (!fork()) {
            while (getppid() == parent)
                sleep_ms(5);
            _exit(getppid() == reaper ? 6 : 7);
        }
        _exit(5);
    }
    wait_for(a);
    SAY(wait(&status) > 0);
    say_status("adopted", status);
    SAY(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    int got;
    prctl(PR_GET_PDEATHSIG, &got);
    printf("%d\n", got);
    pipe(ends);
    IN_CHILD (a) {
        pid_t c = fork();
        if (!c) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            close(ends[0]);
            write(ends[1], "r", 1);
            sleep_ms(20000);
            _exit(1);
        }
        char r;
        read(ends[0], &r, 1);
        _exit(0);
    }
    wait_for(a);
    SAY(wait(&status) > 0);
    say_status("parent died", status);
}

static void groups(void) {
    printf("leader %d %d\n", getsid(0) == getpid(), getpgrp() == getpid());
    SAY(setsid() == getpid());
    SAY(setpgid(0, 0));
    pid_t a;
    IN_CHILD (a) {
        SAY(setpgid(0, 0));
        printf("own group %d\n", getpgrp() == getpid());
        SAY(setsid());
        SAY(setpgid(0, getppid()));
        printf("%d\n", getpgrp() == getppid());
        SAY(setsid() == getpid());
        printf("sid %d\n", getsid(0) == getpid());
        SAY(setpgid(0, 0));
        SAY(getsid(getppid()) == getppid());
        SAY(setpgid(getppid(), 0));
        SAY(open("/dev/tty", O_RDWR));
    }
    wait_for(a);
    SAY(getpgid(999999));
    SAY(getsid(999999));
    SAY(setpgid(999999, 0));
    SAY(setpgid(0, -1));
    SAY(kill(-999999, 0));
    pid_t b;
    int ends[2];
    pipe2(ends, O_CLOEXEC);
    IN_CHILD (b) {
        execl("/bin/sleep", "sleep", "20", (char *)0);
    }
    close(ends[1]);
    pass(ends); // The other end is closed by the exec.
    SAY(setpgid(b, b));
    kill(b, SIGKILL);
    wait_for(b);
    pid_t leader;
    IN_CHILD (leader) {
        setpgid(0, 0);
        for (int i = 0; i < 3; i++)
            if (!fork()) {
                pause();
                _exit(0);
            }
        signal(SIGTERM, SIG_IGN);
        kill(0, SIGTERM);
        int n = 0, s;
        while (wait(&s) > 0)
            n += WIFSIGNALED(s);
        _exit(n);
    }
    say_status("group", wait_for(leader));
    setpriority(PRIO_PROCESS, 0, 0); // Whoever runs the tests may be nice.
    SAY(getpriority(PRIO_PROCESS, 0));
    SAY(setpriority(PRIO_PROCESS, 0, 5));
    SAY(getpriority(PRIO_PROCESS, 0));
    SAY(nice(3));
    SAY(setpriority(PRIO_PROCESS, 0, 99));
    SAY(getpriority(PRIO_PROCESS, 0));
    SAY(getpriority(9, 0));
    SAY(setpriority(PRIO_PROCESS, 999999, 0));
}

static void note_unused(int signal) {
    (void)signal;
}
static void execs(void) {
    char *argv[] = {"name", "one", "", "three", 0}, *env[] = {"A=1", "B=", 0};
    pid_t a;
    IN_CHILD (a) {
        execve("/bin/echo", argv, env);
        _exit(1);
    }
    say_status("echo", wait_for(a));
    IN_CHILD (a) {
        char *v[] = {"env", 0};
        execve("/usr/bin/env", v, env);
    }
    wait_for(a);
    SAY(execv("/nothing", argv));
    SAY(execv("/etc/passwd", argv));
    SAY(execv("/", argv));
    SAY(execv("/etc/passwd/x", argv));
    SAY(execve((void *)1, argv, env));
    SAY(execve("/bin/true", (void *)1, env));
    int f = open("s", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    write(f, "#!/bin/sh -e\necho script $0 $@\nexit 6\n", 38);
    SAY(execv("./s", argv));
    close(f);
    SAY(open("/proc/self/exe", O_RDWR));
    SAY(truncate("/proc/self/exe", 0));
    IN_CHILD (a) {
        execv("./s", argv);
    }
    say_status("script", wait_for(a));
    f = open("t", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    write(f, "#!./s arg\n", 10);
    close(f);
    IN_CHILD (a) {
        execv("./t", argv);
    }
    say_status("script of a script", wait_for(a));
    f = open("u", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    write(f, "#!/nothing\n", 11);
    close(f);
    SAY(execv("./u", argv));
    f = open("e", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    close(f);
    SAY(execv("./e", argv));
    f = open("e", O_WRONLY);
    write(f, "\177ELF\1\1\1", 7);
    close(f);
    SAY(execv("./e", argv));
    symlink("l", "l");
    SAY(execv("./l", argv));
    char *big = malloc(200000);
    memset(big, 'x', 199999);
    big[199999] = 0;
    char *large[] = {"x", big, 0};
    SAY(execv("/bin/true", large));
    IN_CHILD (a) {
        int d = open("/bin/echo", O_RDONLY | O_CLOEXEC);
        syscall(SYS_execveat, d, "", argv, env, AT_EMPTY_PATH);
        _exit(9);
    }
    say_status("execveat", wait_for(a));
    IN_CHILD (a) {
        int d = open("/bin", O_RDONLY | O_DIRECTORY);
        char *v[] = {"echo", "at", 0};
        syscall(SYS_execveat, d, "echo", v, env, 0);
        _exit(9);
    }
    say_status("execveat", wait_for(a));
    IN_CHILD (a) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, note_unused);
        sigset_t s;
        sigemptyset(&s);
        sigaddset(&s, SIGHUP);
        sigprocmask(SIG_BLOCK, &s, 0);
        int d = open("/etc/passwd", O_RDONLY | O_CLOEXEC), k = open("/etc/passwd", O_RDONLY);
        printf("%d %d\n", d, k);
        fflush(stdout);
        execl("/bin/sh", "sh", "-c",
              "grep -E '^Sig(Blk|Cgt)' /proc/self/status; kill -USR1 $$; kill -HUP $$; echo alive; kill -USR2 $$; "
              "echo dead",
              (char *)0);
    }
    say_status("inherited", wait_for(a));
}

static void *exec_from_thread(void *arg) {
    (void)arg;
    execl("/bin/echo", "echo", "from a thread", (char *)0);
    return 0;
}
static void *exit_from_thread(void *arg) {
    (void)arg;
    exit(13);
}
static void *linger(void *arg) {
    sleep_ms(300);
    puts("the last thread ends the process");
    fflush(stdout);
    return arg;
}
static void *sleep_long(void *arg) {
    sleep_ms(20000);
    return arg;
}
static void thread_ends(void) {
    pthread_t t;
    pid_t a;
    IN_CHILD (a) {
        pthread_create(&t, 0, sleep_long, 0);
        pthread_t u;
        pthread_create(&u, 0, exec_from_thread, 0);
        sleep_ms(20000);
        _exit(1);
    }
    say_status("exec", wait_for(a));
    IN_CHILD (a) {
        pthread_create(&t, 0, exit_from_thread, 0);
        sleep_ms(20000);
        _exit(1);
    }
    say_status("exit", wait_for(a));
    IN_CHILD (a) {
        pthread_create(&t, 0, linger, 0);
        pthread_exit(0);
    }
    say_status("main thread gone", wait_for(a));
    IN_CHILD (a) {
        pthread_create(&t, 0, linger, 0);
        syscall(SYS_exit, 3);
    }
    say_status("only the thread", wait_for(a));
    IN_CHILD (a) {
        pthread_create(&t, 0, linger, 0);
        syscall(SYS_exit_group, 4);
    }
    say_status("the group", wait_for(a));
}

static void identities(void) {
    uid_t r, e, s;
    pid_t a;
    IN_CHILD (a) {
        SAY(setresuid(1, 2, 3));
        getresuid(&r, &e, &s);
        printf("%d %d %d\n", r, e, s);
        SAY(setuid(0));
        SAY(setuid(3));
        getresuid(&r, &e, &s);
        printf("%d %d %d\n", r, e, s);
        SAY(seteuid(1));
        SAY(seteuid(5));
        SAY(setreuid(-1, 1));
        SAY(setresuid(3, 3, 3));
        SAY(setresuid(1, 3, 3));
        getresuid(&r, &e, &s);
        printf("%d %d %d\n", r, e, s);
        SAY(setgid(5));
        SAY(open("/etc/shadow", O_RDONLY));
        SAY(kill(getppid(), 0));
        SAY(chown("/etc/passwd", 3, 3));
        SAY(setgroups(0, 0));
    }
    wait_for(a);
    IN_CHILD (a) {
        SAY(setuid(1000));
        getresuid(&r, &e, &s);
        printf("%d %d %d\n", r, e, s);
        SAY(setuid(0));
        SAY(chroot("/"));
        SAY(sethostname("x", 1));
    }
    wait_for(a);
    IN_CHILD (a) {
        gid_t g[] = {5, 7, 9};
        SAY(setgroups(3, g));
        gid_t h[10];
        SAY(getgroups(10, h));
        printf("%d %d %d\n", h[0], h[1], h[2]);
        SAY(getgroups(1, h));
        SAY(getgroups(0, 0));
        SAY(setegid(7));
        SAY(setregid(8, 9));
        printf("%d %d\n", getgid(), getegid());
        SAY(syscall(SYS_setfsuid, 44));
        SAY(syscall(SYS_setfsuid, -1));
        int f = open("owned", O_CREAT | O_WRONLY, 0600);
        SAY(f >= 0);
    }
    wait_for(a);
    SAY(prctl(PR_SET_NAME, "a name that is far too long"));
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    puts(name);
    SAY(prctl(PR_GET_DUMPABLE));
    SAY(prctl(PR_SET_DUMPABLE, 0));
    SAY(prctl(PR_GET_DUMPABLE));
    SAY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    SAY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SAY(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SAY(prctl(99999));
    SAY(prctl(PR_CAPBSET_READ, 0));
    SAY(prctl(PR_CAPBSET_READ, 99));
    SAY(prctl(PR_GET_TSC, &r));
    struct utsname u;
    SAY(uname(&u));
    SAY(uname((void *)1));
    SAY(umask(027));
    SAY(umask(022));
}

static void limits(void) {
    struct rlimit l;
    struct {
        int what;
        const char *name;
    } all[] = {{RLIMIT_NOFILE, "nofile"}, {RLIMIT_FSIZE, "fsize"}, {RLIMIT_DATA, "data"}};
    for (unsigned i = 0; i < 3; i++) {
        SAY(getrlimit(all[i].what, &l));
    }
    SAY(getrlimit(99, &l));
    l = (struct rlimit){20, 10};
    SAY(setrlimit(RLIMIT_NOFILE, &l));
    l = (struct rlimit){10, 20};
    SAY(setrlimit(RLIMIT_NOFILE, &l));
    int n = 0;
    while (dup(1) >= 0)
        n++;
    SAY(dup(1));
    printf("some %d\n", n > 0 && n < 10);
    SAY(dup2(1, 15));
    SAY(fcntl(1, F_DUPFD, 15));
    SAY(open("/etc/passwd", O_RDONLY));
    int ends[2];
    SAY(pipe(ends));
    for (int i = 3; i < 10; i++)
        close(i);
    SAY(prlimit(0, RLIMIT_NOFILE, 0, &l));
    printf("%ld %ld\n", (long)l.rlim_cur, (long)l.rlim_max);
    signal(SIGXFSZ, SIG_IGN);
    l = (struct rlimit){1000, 1000};
    setrlimit(RLIMIT_FSIZE, &l);
    int f = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char block[600] = {0};
    SAY(write(f, block, 600));
    SAY(write(f, block, 600));
    SAY(write(f, block, 600));
    SAY(ftruncate(f, 2000));
    SAY(pwrite(f, block, 1, 1000));
    pid_t a;
    IN_CHILD (a) {
        signal(SIGXFSZ, SIG_DFL);
        write(f, block, 1);
    }
    say_status("beyond", wait_for(a));
    IN_CHILD (a) {
        l = (struct rlimit){64 << 20, 64 << 20};
        setrlimit(RLIMIT_AS, &l);
        void *p = mmap(0, 100 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        printf("%d %s\n", p == MAP_FAILED, strerrorname_np(errno));
        p = mmap(0, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        printf("%d\n", p != MAP_FAILED);
    }
    wait_for(a);
    struct rusage u;
    SAY(getrusage(RUSAGE_SELF, &u));
    SAY(getrusage(RUSAGE_CHILDREN, &u));
    SAY(getrusage(9, &u));
    IN_CHILD (a) {
        l = (struct rlimit){1, 2};
        setrlimit(RLIMIT_CPU, &l);
        for (;;) {
        }
    }
    say_status("processor time", wait_for(a));
}
// 32- and 64-bit programs start each other, and share pipes, memory and signals.
static void widths(void) {
    struct {
        uint64_t words[4];
        int gate[2];
        int depth;
    } *shared;
    int fd = getenv("SHARED") ? atoi(getenv("SHARED")) : memfd_create("shared", 0);
    ftruncate(fd, 4096);
    shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int depth = shared->depth++;
    printf("depth %d: pointers of %zu bytes, word before %llx\n", depth, sizeof(void *),
           (unsigned long long)shared->words[(depth + 3) % 4]);
    shared->words[depth % 4] = 0x1111111111111111ull * (uint64_t)(depth + 1);
    if (depth == 4) {
        fflush(stdout);
        write(shared->gate[1], "last", 4);
        raise(SIGTERM);
    }
    if (depth == 0) pipe(shared->gate);
    char text[16];
    snprintf(text, sizeof text, "%d", fd);
    setenv("SHARED", text, 1);
    pid_t child;
    IN_CHILD (child) {
        SAY(execl(depth % 2 ? "/case/program" : "/case/other", "name", "widths", (char *)0));
    }
    say_status("child", wait_for(child));
    if (depth == 0) {
        SAY(read(shared->gate[0], text, sizeof text));
        printf("%.4s, depth %d\n", text, shared->depth);
    }
}

MAIN(TEST(widths), TEST(forks), TEST(clones), TEST(waits), TEST(groups), TEST(execs), TEST(thread_ends), TEST(identities),
     TEST(limits))
