// Signals: delivery, frames, masks, restarts, queues, alternate stacks, timers.
#include "cases.h"
#include <linux/futex.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <ucontext.h>

static volatile int count, last, order[64];
static void note(int signal) {
    if (count < 64) order[count] = signal;
    count++;
    last = signal;
}
static void say_order(const char *what) {
    printf("%s:", what);
    for (int i = 0; i < count && i < 64; i++)
        printf(" %d", order[i]);
    puts("");
    count = 0;
}
static void handle(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signal, &action, 0);
}
static sigset_t set_of(int first, ...) {
    sigset_t set;
    sigemptyset(&set);
    va_list list;
    va_start(list, first);
    for (int s = first; s; s = va_arg(list, int))
        sigaddset(&set, s);
    va_end(list);
    return set;
}

static volatile int informed;
static void info_of(int signal, siginfo_t *info, void *context) {
    informed++;
    printf("signal %d code %d pid %s value %d\n", signal, info->si_code, info->si_pid == getpid() ? "own" : "other",
           info->si_code == SI_QUEUE || info->si_code == SI_TIMER ? info->si_value.sival_int : 0);
    (void)context;
}
static void information(void) {
    struct sigaction action = {.sa_sigaction = info_of, .sa_flags = SA_SIGINFO};
    for (int s = 1; s <= 64; s++)
        if (s != SIGKILL && s != SIGSTOP && (s < 32 || s > 33)) sigaction(s, &action, 0);
    raise(SIGUSR1);
    kill(getpid(), SIGUSR2);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 42});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 7});
    kill(getpid(), 64);
    pthread_kill(pthread_self(), SIGTERM);
    SAY(kill(getpid(), 0));
    SAY(kill(getpid(), 65));
    SAY(kill(999999, SIGTERM));
    SAY(sigqueue(getpid(), 65, (union sigval){0}));
    SAY(raise(0));
    SAY(sigaction(SIGKILL, &action, 0));
    SAY(sigaction(SIGSTOP, &action, 0));
    SAY(sigaction(65, &action, 0));
    SAY(sigaction(SIGKILL, 0, &action));
    SAY(kill(-999999, SIGTERM));
    struct itimerval timer = {.it_value = {0, 10000}};
    informed = 0;
    setitimer(ITIMER_REAL, &timer, 0);
    while (!informed)
        sleep_ms(10);
}

static void masks(void) {
    handle(SIGUSR1, note, 0);
    handle(SIGUSR2, note, 0);
    handle(SIGRTMIN, note, 0);
    handle(SIGRTMIN + 5, note, 0);
    handle(SIGHUP, note, 0);
    sigset_t set = set_of(SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 5, SIGHUP, 0), old, pending;
    sigprocmask(SIG_BLOCK, &set, &old);
    printf("was blocked: %d\n", sigismember(&old, SIGUSR1));
    for (int i = 0; i < 3; i++) {
        raise(SIGRTMIN + 5);
        raise(SIGUSR2);
        raise(SIGRTMIN);
        raise(SIGUSR1);
        raise(SIGHUP);
    }
    sigpending(&pending);
    printf("pending %d %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGRTMIN),
           sigismember(&pending, SIGTERM));
    sigset_t some = set_of(SIGUSR2, 0);
    sigprocmask(SIG_UNBLOCK, &some, 0);
    say_order("one unblocked");
    sigprocmask(SIG_SETMASK, &old, 0);
    say_order("all unblocked");
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    sigprocmask(SIG_SETMASK, 0, &old);
    printf("kill %d stop %d int %d 32 %d\n", sigismember(&old, SIGKILL), sigismember(&old, SIGSTOP),
           sigismember(&old, SIGINT), sigismember(&old, 34));
    SAY(sigprocmask(9, &all, 0));
    SAY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, 0, 4));
    SAY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)1, 0, 8));
    // Ignored ones are dropped, but not while they are blocked.
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    sigpending(&pending);
    printf("ignored and blocked: %d\n", sigismember(&pending, SIGUSR1));
    handle(SIGUSR1, note, 0);
    sigpending(&pending);
    printf("after a handler: %d\n", sigismember(&pending, SIGUSR1));
    signal(SIGCHLD, SIG_DFL);
    raise(SIGCHLD);
    sigpending(&pending);
    printf("default ignored and blocked: %d\n", sigismember(&pending, SIGCHLD));
}

static int depth;
static void nested(int signal) {
    int mine = ++depth;
    printf("enter %d depth %d\n", signal, mine);
    if (mine < 4) raise(signal == SIGUSR1 ? SIGUSR2 : SIGUSR1);
    printf("leave %d depth %d\n", signal, mine);
}
static int agains;
static void again(int signal) {
    int mine = ++agains;
    printf("again %d depth %d\n", mine, ++depth);
    if (mine < 3) raise(signal);
    printf("leaves %d depth %d\n", mine, depth--);
}
static void nesting(void) {
    handle(SIGUSR1, nested, SA_NODEFER);
    handle(SIGUSR2, nested, SA_NODEFER);
    raise(SIGUSR1);
    agains = depth = 0;
    handle(SIGUSR1, again, 0);
    raise(SIGUSR1);
    puts("deferred");
    agains = depth = 0;
    handle(SIGUSR1, again, SA_NODEFER);
    raise(SIGUSR1);
    handle(SIGTERM, note, SA_RESETHAND);
    raise(SIGTERM);
    struct sigaction now;
    sigaction(SIGTERM, 0, &now);
    printf("reset %d %d\n", now.sa_handler == SIG_DFL, count);
    struct sigaction masked = {.sa_handler = nested};
    sigaddset(&masked.sa_mask, SIGUSR2);
    agains = depth = 0;
    sigaction(SIGUSR1, &masked, 0);
    handle(SIGUSR2, again, 0);
    raise(SIGUSR1);
    sigaction(SIGUSR1, 0, &now);
    printf("flags %x mask %d\n", now.sa_flags & ~0x04000000, sigismember(&now.sa_mask, SIGUSR2));
}

static sigjmp_buf back;
static void jump(int signal) {
    siglongjmp(back, signal);
}
static void plain_jump(int signal) {
    longjmp(*(jmp_buf *)&back, signal);
}
static void jumps(void) {
    handle(SIGUSR1, jump, 0);
    handle(SIGSEGV, jump, 0);
    handle(SIGFPE, jump, 0);
    for (volatile int i = 0; i < 3; i++) {
        int got = sigsetjmp(back, 1);
        if (!got) {
            if (i == 0) raise(SIGUSR1);
            if (i == 1) *(volatile int *)8 = 1;
            if (i == 2) {
                volatile int z = 0;
                z = 1 / z;
            }
        }
        printf("back with %d\n", got);
    }
    sigset_t mask;
    sigprocmask(0, 0, &mask);
    printf("mask restored: %d %d\n", sigismember(&mask, SIGUSR1), sigismember(&mask, SIGSEGV));
    int got = sigsetjmp(back, 0);
    if (!got) raise(SIGUSR1);
    sigprocmask(0, 0, &mask);
    printf("without the mask: %d\n", sigismember(&mask, SIGUSR1));
    (void)plain_jump;
    for (volatile int i = 0; i < 1000; i++)
        if (!sigsetjmp(back, 1)) raise(SIGFPE);
    puts("a thousand jumps");
}

static char alternate[65536];
static void on_stack(int signal) {
    char here;
    stack_t now;
    sigaltstack(0, &now);
    printf("signal %d on the alternate stack: %d flags %d\n", signal,
           &here >= alternate && &here < alternate + sizeof alternate, now.ss_flags);
    if (signal == SIGUSR1) {
        stack_t other = {.ss_sp = alternate, .ss_size = 8192};
        SAY(sigaltstack(&other, 0));
        raise(SIGUSR2);
    }
}
static void stacks(void) {
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, old;
    SAY(sigaltstack(&stack, &old));
    printf("old flags %d\n", old.ss_flags);
    handle(SIGUSR1, on_stack, SA_ONSTACK);
    handle(SIGUSR2, on_stack, SA_ONSTACK);
    handle(SIGHUP, on_stack, 0);
    raise(SIGUSR1);
    raise(SIGHUP);
    stack.ss_size = 100;
    SAY(sigaltstack(&stack, 0));
    stack.ss_flags = 77;
    stack.ss_size = 65536;
    SAY(sigaltstack(&stack, 0));
    stack.ss_flags = SS_DISABLE;
    SAY(sigaltstack(&stack, 0));
    raise(SIGUSR2);
    stack.ss_flags = (int)(1U << 31);
    SAY(sigaltstack(&stack, 0));
    raise(SIGUSR2);
    sigaltstack(0, &old);
    printf("after autodisarm %x\n", old.ss_flags);
}

static int ends[2];
static void poked(int flags, const char *what, long (*call)(void), int feed) {
    count = 0;
    handle(SIGUSR1, note, flags);
    pipe(ends);
    pid_t child;
    IN_CHILD (child) {
        until_asleep(getppid());
        kill(getppid(), SIGUSR1);
        sleep_ms(500);
        if (feed) write(ends[1], "late", 4);
    }

    errno = 0;
    long result = call();
    printf("%s %s: ", what, flags ? "restarting" : "interrupted");
    say("result", result);
    printf("  handled %d\n", count);
    kill(child, SIGKILL);
    wait_for(child);
    close(ends[0]);
    close(ends[1]);
}
static char buffer[64];
static long do_read(void) {
    return read(ends[0], buffer, sizeof buffer);
}
static long do_sleep(void) {
    struct timespec t = {20, 0};
    return nanosleep(&t, &t);
}
static long do_clock_sleep(void) {
    struct timespec t = {20, 0};
    int r = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, 0);
    errno = r;
    return r ? -1 : 0;
}
static long do_pause(void) {
    return pause();
}
static long do_poll(void) {
    struct pollfd p = {ends[0], POLLIN, 0};
    return poll(&p, 1, 20000);
}
static long do_select(void) {
    fd_set s;
    FD_ZERO(&s);
    FD_SET(ends[0], &s);
    struct timeval t = {20, 0};
    return select(ends[0] + 1, &s, 0, 0, &t);
}
static int word;
static long do_futex(void) {
    struct timespec t = {20, 0};
    return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, 0, 0);
}
static long do_wait(void) {
    return waitpid(-1, 0, 0) > 0;
}
static long do_flock(void) {
    struct flock l = {.l_type = F_WRLCK};
    int f = open("lock", O_RDWR | O_CREAT, 0600);
    long r = fcntl(f, F_SETLKW, &l);
    close(f);
    return r;
}
static long do_sigwait(void) {
    sigset_t s = set_of(SIGUSR2, 0);
    struct timespec t = {20, 0};
    return sigtimedwait(&s, 0, &t);
}
static long do_accept(void) {
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {AF_UNIX};
    bind(s, (void *)&a, sizeof(sa_family_t));
    listen(s, 1);
    struct timeval t = {20, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    long r = accept(s, 0, 0);
    close(s);
    return r;
}
static long do_recv(void) {
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    struct timeval t = {20, 0};
    setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    long r = recv(s[0], buffer, 9, 0);
    close(s[0]);
    close(s[1]);
    return r;
}
static long do_open(void) {
    mkfifo("fifo", 0600);
    int f = open("fifo", O_RDONLY);
    long r = f < 0 ? -1 : 0;
    int e = errno;
    unlink("fifo");
    errno = e;
    return r;
}
static long do_write(void) {
    char block[4096] = {0};
    long total = 0, n;
    while ((n = write(ends[1], block, sizeof block)) > 0) {
        total += n;
        if (total > 1 << 20) break;
    }
    return n;
}
static void interrupted_calls(void) {
    struct {
        const char *name;
        long (*call)(void);
        int both;
    } calls[] = {{"read", do_read, 1},     {"nanosleep", do_sleep, 1}, {"clock_nanosleep", do_clock_sleep, 1},
                 {"pause", do_pause, 1},   {"poll", do_poll, 1},       {"select", do_select, 1},
                 {"futex", do_futex, 1},   {"waitpid", do_wait, 1},    {"sigtimedwait", do_sigwait, 1},
                 {"accept", do_accept, 1}, {"recv", do_recv, 1},       {"open of a fifo", do_open, 0},
                 {"write", do_write, 0}};
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        poked(0, calls[i].name, calls[i].call, 1);
        if (calls[i].both) poked(SA_RESTART, calls[i].name, calls[i].call, 1);
    }
}
static void interrupted_lock(void) {
    int f = open("lock", O_RDWR | O_CREAT, 0600);
    struct flock l = {.l_type = F_WRLCK};
    fcntl(f, F_SETLK, &l);
    pid_t child;
    IN_CHILD (child) {
        handle(SIGALRM, note, 0);
        SAY(do_flock());
        printf("handled %d\n", count);
    }
    until_asleep(child);
    kill(child, SIGALRM);
    wait_for(child);
    // A stop and a continue without a handler: the calls go on as if nothing had been.
    IN_CHILD (child) {
        long t = now_ms();
        sleep_ms(500);
        printf("slept on: %d\n", now_ms() - t >= 499);
        struct pollfd p = {-1, 0, 0};
        printf("poll %d\n", poll(&p, 1, 100));
    }
    until_asleep(child);
    kill(child, SIGSTOP);
    int status;
    waitpid(child, &status, WUNTRACED);
    say_status("child", status);
    sleep_ms(20);
    kill(child, SIGCONT);
    say_status("child", wait_for(child));
}

static void suspend(void) {
    handle(SIGUSR1, note, 0);
    handle(SIGUSR2, note, 0);
    sigset_t block = set_of(SIGUSR1, SIGUSR2, 0), open = set_of(SIGUSR2, 0), mask;
    sigprocmask(SIG_BLOCK, &block, 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    SAY(sigsuspend(&open));
    say_order("during suspend");
    sigprocmask(0, 0, &mask);
    printf("mask back: %d %d\n", sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2));
    sigset_t none;
    sigemptyset(&none);
    SAY(sigsuspend(&none));
    say_order("the other");
    pid_t child;
    IN_CHILD (child) {
        until_asleep(getppid());
        kill(getppid(), SIGUSR1);
    }
    sigset_t wait = set_of(SIGUSR1, 0);
    int got;
    SAY(sigwait(&wait, &got));
    printf("got %d\n", got);
    wait_for(child);
    siginfo_t info;
    sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 5});
    sigset_t two = set_of(SIGUSR2, 0);
    SAY(sigwaitinfo(&two, &info));
    printf("value %d code %d\n", info.si_value.sival_int, info.si_code);
    struct timespec t = {0, 20000000};
    SAY(sigtimedwait(&two, &info, &t));
    t = (struct timespec){0, 2000000000};
    SAY(sigtimedwait(&two, &info, &t));
    struct pollfd p = {-1, 0, 0};
    raise(SIGUSR1);
    t = (struct timespec){1, 0};
    SAY(ppoll(&p, 1, &t, &none));
    say_order("in ppoll");
    raise(SIGUSR2);
    SAY(pselect(0, 0, 0, 0, &t, &none));
    say_order("in pselect");
    sigprocmask(0, 0, &mask);
    printf("mask back: %d\n", sigismember(&mask, SIGUSR1));
}

static void descriptor(void) {
    sigset_t set = set_of(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
    sigprocmask(SIG_BLOCK, &set, 0);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo info[4];
    SAY(read(fd, info, sizeof info));
    raise(SIGUSR2);
    raise(SIGUSR1);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 9});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 8});
    struct pollfd p = {fd, POLLIN, 0};
    SAY(poll(&p, 1, 0));
    long n = read(fd, info, sizeof info);
    printf("%ld\n", n / (long)sizeof *info);
    for (int i = 0; i < n / (long)sizeof *info; i++)
        printf("signo %u code %d int %d\n", info[i].ssi_signo, info[i].ssi_code, info[i].ssi_int);
    SAY(poll(&p, 1, 0));
    SAY(read(fd, info, 10));
    sigset_t less = set_of(SIGUSR2, 0);
    SAY(signalfd(fd, &less, 0) == fd);
    raise(SIGUSR1);
    SAY(read(fd, info, sizeof info));
    SAY(signalfd(0, &less, 0));
    SAY(signalfd(-1, &less, 3));
}

static int expiries;
static void expired(int signal, siginfo_t *info, void *context) {
    expiries++;
    if (expiries <= 3)
        printf("timer signal %d code %d value %d overrun ok %d\n", signal, info->si_code, info->si_value.sival_int,
               info->si_overrun >= 0);
    (void)context;
}
static void timers(void) {
    struct sigaction action = {.sa_sigaction = expired, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN + 1, &action, 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 77};
    timer_t timer;
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec when = {{0, 20000000}, {0, 20000000}}, left;
    SAY(timer_settime(timer, 0, &when, 0));
    while (expiries < 3)
        pause();
    SAY(timer_gettime(timer, &left));
    printf("interval %ld\n", left.it_interval.tv_nsec);
    SAY(timer_delete(timer));
    SAY(timer_gettime(timer, &left));
    event.sigev_signo = 99;
    SAY(timer_create(CLOCK_REALTIME, &event, &timer));
    SAY(timer_create(77, 0, &timer));
    event = (struct sigevent){.sigev_notify = SIGEV_NONE};
    SAY(timer_create(CLOCK_REALTIME, &event, &timer));
    when = (struct itimerspec){{0, 0}, {100, 0}};
    timer_settime(timer, 0, &when, 0);
    timer_gettime(timer, &left);
    printf("about %d\n", left.it_value.tv_sec == 99 || left.it_value.tv_sec == 100);
    when.it_value.tv_nsec = 1000000000;
    SAY(timer_settime(timer, 0, &when, 0));
    handle(SIGALRM, note, 0);
    handle(SIGVTALRM, note, 0);
    handle(SIGPROF, note, 0);
    struct itimerval it = {{0, 0}, {0, 30000}}, old;
    SAY(setitimer(ITIMER_REAL, &it, 0));
    while (last != SIGALRM)
        sleep_ms(10);
    printf("alarm %d\n", last == SIGALRM);
    it.it_value.tv_usec = 20000;
    SAY(setitimer(ITIMER_VIRTUAL, &it, 0));
    last = 0;
    for (long t = now_ms(); last != SIGVTALRM && now_ms() - t < 20000;) {
    }
    printf("virtual %d\n", last == SIGVTALRM);
    SAY(setitimer(ITIMER_PROF, &it, 0));
    for (long t = now_ms(); last != SIGPROF && now_ms() - t < 20000;) {
    }
    printf("prof %d\n", last == SIGPROF);
    SAY(setitimer(9, &it, 0));
    it.it_value.tv_usec = 1000000;
    SAY(setitimer(ITIMER_REAL, &it, 0));
    SAY(alarm(50));
    SAY(alarm(0) >= 49);
    getitimer(ITIMER_REAL, &old);
    printf("%ld\n", (long)old.it_value.tv_sec);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    uint64_t n;
    SAY(read(fd, &n, 8));
    when = (struct itimerspec){{0, 10000000}, {0, 10000000}};
    SAY(timerfd_settime(fd, 0, &when, 0));
    sleep_ms(55);
    SAY(read(fd, &n, 8));
    printf("expired several %d\n", n >= 5);
    SAY(read(fd, &n, 4));
    when = (struct itimerspec){{0, 0}, {0, 0}};
    SAY(timerfd_settime(fd, 0, &when, &left));
    SAY(read(fd, &n, 8));
    SAY(timerfd_settime(0, 0, &when, 0));
    SAY(timerfd_create(99, 0));
    clock_gettime(CLOCK_REALTIME, &when.it_value);
    when.it_value.tv_sec -= 5;
    SAY(timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, 0));
    SAY(read(fd, &n, 8));
}

static void registers(int signal, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    (void)info;
#ifdef __i386__
    printf("signal %d eax %x ebx %x esi %x edi %x flags %x cs %x ss %x fpu %d\n", signal,
           u->uc_mcontext.gregs[REG_EAX], u->uc_mcontext.gregs[REG_EBX], u->uc_mcontext.gregs[REG_ESI],
           u->uc_mcontext.gregs[REG_EDI], u->uc_mcontext.gregs[REG_EFL] & 0x401, u->uc_mcontext.gregs[REG_CS] & 3,
           u->uc_mcontext.gregs[REG_SS] & 3, u->uc_mcontext.fpregs != 0);
    u->uc_mcontext.gregs[REG_EIP] += 2;
    u->uc_mcontext.gregs[REG_ESI] = 0x600d;
#else
    printf("signal %d rax %llx rbx %llx rsi %llx rdi %llx r15 %llx flags %llx fpu %d\n", signal,
           u->uc_mcontext.gregs[REG_RAX], u->uc_mcontext.gregs[REG_RBX], u->uc_mcontext.gregs[REG_RSI],
           u->uc_mcontext.gregs[REG_RDI], u->uc_mcontext.gregs[REG_R15], u->uc_mcontext.gregs[REG_EFL] & 0x401,
           u->uc_mcontext.fpregs != 0);
    u->uc_mcontext.gregs[REG_RIP] += 2;
    u->uc_mcontext.gregs[REG_RSI] = 0x600d;
#endif
}
static void floats_in_handler(int signal) {
    (void)signal;
    volatile double x = 1;
    for (int i = 0; i < 100; i++)
        x = x * 1.5 - 0.25;
    volatile float y = 3;
    for (int i = 0; i < 100; i++)
        y = y / 1.5f;
    __asm__ volatile("fninit; fldpi; fldpi; fldpi" ::: "st", "st(1)", "st(2)");
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7" ::: "xmm0", "xmm7");
}
static void frames(void) {
    struct sigaction action = {.sa_sigaction = registers, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, 0);
    sigaction(SIGUSR1, &action, 0);
    unsigned long si = 0x5111;
#ifdef __i386__
    __asm__ volatile("push %%ebx; mov $0xb0b, %%ebx; stc; ud2; pop %%ebx"
                     : "+S"(si)
                     : "a"(0xaaa), "D"(0xd1d1)
                     : "cc", "memory");
#else
    __asm__ volatile("mov $0xb0b, %%rbx; mov $0xf15, %%r15; stc; ud2"
                     : "+S"(si)
                     : "a"(0xaaa), "D"(0xd1d1)
                     : "rbx", "r15", "cc", "memory");
#endif
    printf("esi set by the handler: %lx\n", si);
    // What a handler does to the floating-point registers is undone when it returns.
    handle(SIGUSR2, floats_in_handler, 0);
    long double keep = 0;
    float lanes[4] = {1, 2, 3, 4}, out[4];
    int pid = getpid();
#ifdef __i386__
    __asm__ volatile("fldl2e; movups (%4), %%xmm7; int $0x80; movups %%xmm7, (%3); fstpt (%2)"
                     : "+a"((int){SYS_kill})
                     : "b"(pid), "D"(&keep), "S"(out), "d"(lanes), "c"(SIGUSR2)
                     : "xmm7", "memory");
#else
    __asm__ volatile("fldl2e; movups (%4), %%xmm7; syscall; movups %%xmm7, (%3); fstpt (%2)"
                     : "+a"((long){SYS_kill})
                     : "D"((long)pid), "r"(&keep), "r"(out), "r"(lanes), "S"((long)SIGUSR2)
                     : "xmm7", "rcx", "r11", "memory");
#endif
    printf("kept %.18Lf %g %g %g %g\n", keep, out[0], out[1], out[2], out[3]);
}

static void children(void) {
    struct sigaction action = {.sa_sigaction = info_of, .sa_flags = SA_SIGINFO};
    (void)action;
    sigset_t set = set_of(SIGCHLD, 0);
    sigprocmask(SIG_BLOCK, &set, 0);
    handle(SIGCHLD, note, 0);
    siginfo_t info;
    pid_t child;
    pipe(ends);
    IN_CHILD (child) {
        _exit(3);
    }
    sigwaitinfo(&set, &info);
    printf("chld code %d status %d pid %d\n", info.si_code, info.si_status, info.si_pid == child);
    wait_for(child);
    IN_CHILD (child) {
        raise(SIGKILL);
    }
    sigwaitinfo(&set, &info);
    printf("chld code %d status %d\n", info.si_code, info.si_status);
    wait_for(child);
    IN_CHILD (child) {
        raise(SIGSTOP);
        pass(ends);
        _exit(1);
    }
    sigwaitinfo(&set, &info);
    printf("chld code %d status %d\n", info.si_code, info.si_status);
    kill(child, SIGCONT);
    sigwaitinfo(&set, &info);
    printf("chld code %d status %d\n", info.si_code, info.si_status);
    release(ends);
    sigwaitinfo(&set, &info);
    printf("chld code %d status %d\n", info.si_code, info.si_status);
    wait_for(child);
    handle(SIGCHLD, note, SA_NOCLDSTOP);
    struct timespec t = {0, 100000000};
    IN_CHILD (child) {
        raise(SIGSTOP);
        _exit(1);
    }
    int status;
    waitpid(child, &status, WUNTRACED);
    say_status("child", status);
    SAY(sigtimedwait(&set, 0, &t));
    kill(child, SIGKILL);
    wait_for(child);
    sigtimedwait(&set, 0, &t);
    handle(SIGCHLD, note, SA_NOCLDWAIT);
    IN_CHILD (child) {
        _exit(0);
    }
    SAY(waitpid(child, 0, 0));
    signal(SIGCHLD, SIG_IGN);
    IN_CHILD (child) {
        _exit(0);
    }
    SAY(waitpid(-1, 0, 0));
}

static void stop_and_continue(void) {
    pipe(ends);
    handle(SIGCONT, note, 0);
    pid_t child;
    IN_CHILD (child) {
        handle(SIGCONT, note, 0);
        handle(SIGTSTP, note, 0);
        raise(SIGTSTP);
        raise(SIGSTOP);
        pass(ends);
        printf("in child, handled %d last %d\n", count, last);
    }
    int status;
    SAY(waitpid(child, &status, WUNTRACED) == child);
    say_status("child", status);
    SAY(waitpid(child, &status, WNOHANG | WUNTRACED));
    kill(child, SIGCONT);
    SAY(waitpid(child, &status, WCONTINUED) == child);
    say_status("child", status);
    release(ends);
    say_status("child", wait_for(child));
    IN_CHILD (child) {
        raise(SIGSTOP);
        puts("never");
    }
    waitpid(child, &status, WUNTRACED);
    kill(child, SIGTERM);
    sleep_ms(100);
    SAY(waitpid(child, &status, WNOHANG));
    kill(child, SIGKILL);
    say_status("killed while stopped", wait_for(child));
    IN_CHILD (child) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, 0);
        raise(SIGSTOP);
        puts("resumed although blocked");
    }
    waitpid(child, &status, WUNTRACED);
    kill(child, SIGCONT);
    say_status("child", wait_for(child));
    setpgid(0, 0);
    IN_CHILD (child) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        raise(SIGTSTP);
        puts("not reached in a group that is not orphaned");
    }
    waitpid(child, &status, WUNTRACED);
    say_status("child", status);
    kill(child, SIGKILL);
    wait_for(child);
}

static void *waiter(void *arg) {
    sigset_t set = set_of(SIGUSR1, 0);
    int got;
    sigwait(&set, &got);
    __sync_fetch_and_add((int *)arg, got);
    return 0;
}
// Who ran the handler: 1 the main thread, 2 another.
static volatile int handled_by, finished;
static pthread_t main_thread;
static void who(int signal) {
    (void)signal;
    handled_by = pthread_equal(pthread_self(), main_thread) ? 1 : 2;
}
static int handler_of(void) {
    for (int i = 0; i < 2000 && !handled_by; i++)
        sleep_ms(5);
    int who = handled_by;
    handled_by = 0;
    return who;
}
static void *idle(void *arg) {
    while (!finished)
        sleep_ms(10);
    return arg;
}
static void threads(void) {
    sigset_t set = set_of(SIGUSR1, 0);
    pthread_sigmask(SIG_BLOCK, &set, 0);
    int sum = 0;
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], 0, waiter, &sum);
    for (int i = 0; i < 8; i++) {
        kill(getpid(), SIGUSR1);
        // A second one while this one waits would be lost.
        while (__sync_fetch_and_add(&sum, 0) < (i + 1) * SIGUSR1)
            sleep_ms(1);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], 0);
    printf("all got one: %d\n", sum);
    main_thread = pthread_self();
    handle(SIGUSR2, who, 0);
    pthread_create(&t[0], 0, idle, 0);
    kill(getpid(), SIGUSR2);
    printf("the process's goes to main: %d\n", handler_of() == 1);
    pthread_kill(t[0], SIGUSR2);
    printf("a thread's goes to it: %d\n", handler_of() == 2);
    sigset_t two = set_of(SIGUSR2, 0);
    pthread_sigmask(SIG_BLOCK, &two, 0);
    kill(getpid(), SIGUSR2);
    printf("blocked in main, another takes it: %d\n", handler_of() == 2);
    finished = 1;
    pthread_join(t[0], 0);
    SAY(syscall(SYS_tgkill, getpid(), 999999, SIGUSR1));
    SAY(syscall(SYS_tgkill, 999998, getpid(), SIGUSR1));
    SAY(syscall(SYS_tkill, -1, SIGUSR1));
    pid_t child;
    IN_CHILD (child) {
        pthread_create(&t[0], 0, (void *(*)(void *))abort, 0);
        sleep_ms(20000);
    }
    say_status("a thread's fault ends all", wait_for(child));
}

static void dies_of_each(void) {
    for (int s = 1; s <= 64; s++) {
        if (s == 32 || s == 33) continue;
        pid_t child;
        IN_CHILD (child) {
            struct {
                unsigned long a, b;
            } none = {0, 0};
            syscall(SYS_setrlimit, 4, &none);
            signal(s, SIG_DFL);
            setpgid(0, 0);
            raise(s);
            _exit(77);
        }
        int status;
        waitpid(child, &status, WUNTRACED);
        printf("%d ", s);
        say_status("", status);
        if (WIFSTOPPED(status)) {
            kill(child, SIGKILL);
            wait_for(child);
        }
    }
}
MAIN(TEST(information), TEST(masks), TEST(nesting), TEST(jumps), TEST(stacks), TEST(interrupted_calls),
     TEST(interrupted_lock), TEST(suspend), TEST(descriptor), TEST(timers), TEST(frames), TEST(children),
     TEST(stop_and_continue), TEST(threads), TEST(dies_of_each))
