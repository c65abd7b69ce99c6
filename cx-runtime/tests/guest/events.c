// Waiting for many things: poll, select, epoll, eventfd, timerfd, inotify, POSIX timers.
#include "cases.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/timerfd.h>

static char buffer[4096];

static void poll_one(const char *what, int fd, short events) {
    struct pollfd p = {fd, events, 0};
    int n = poll(&p, 1, 0);
    printf("%s: %d events %x\n", what, n, p.revents);
}

static void polls(void) {
    int p[2], s[2];
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    int file = open("/etc/passwd", O_RDONLY);
    poll_one("empty pipe", p[0], POLLIN | POLLOUT | POLLRDNORM | POLLPRI);
    poll_one("write end", p[1], POLLIN | POLLOUT | POLLWRNORM);
    poll_one("socket", s[0], POLLIN | POLLOUT);
    poll_one("file", file, POLLIN | POLLOUT | POLLRDNORM | POLLPRI);
    poll_one("closed", 99, POLLIN);
    poll_one("negative", -1, POLLIN);
    poll_one("null", open("/dev/null", O_RDWR), POLLIN | POLLOUT);
    poll_one("directory", open("/", O_RDONLY), POLLIN | POLLOUT);
    write(s[1], "x", 1);
    poll_one("socket with data", s[0], POLLIN | POLLOUT | POLLRDHUP);
    shutdown(s[1], SHUT_WR);
    poll_one("peer wrote its last", s[0], POLLIN | POLLOUT | POLLRDHUP);
    close(s[1]);
    poll_one("peer gone", s[0], POLLIN | POLLOUT | POLLRDHUP);
    poll_one("asked for nothing", s[0], 0);
    struct pollfd two[2] = {{p[0], POLLIN, 0}, {p[0], POLLIN, 0}};
    write(p[1], "x", 1);
    SAY(poll(two, 2, -1));
    SAY(poll(0, 0, 0));
    SAY(poll(two, 1000000, 0));
    SAY(poll((void *)1, 1, 0));
    long before = now_ms();
    struct pollfd none = {-1, 0, 0};
    SAY(poll(&none, 1, 150));
    printf("waited %d\n", now_ms() - before >= 150);
    struct timespec t = {0, 1000000000};
    SAY(ppoll(&none, 1, &t, 0));
    t = (struct timespec){-1, 0};
    SAY(ppoll(&none, 1, &t, 0));
    t = (struct timespec){0, 0};
    SAY(ppoll(two, 2, &t, 0));
    // A waiter is woken by what comes later.
    int q[2];
    pipe(q);
    pid_t child;
    IN_CHILD (child) {
        until_asleep(getppid());
        write(q[1], "late", 4);
    }
    struct pollfd late = {q[0], POLLIN, 0};
    SAY(poll(&late, 1, 20000));
    wait_for(child);
    IN_CHILD (child) {
        close(q[0]);
        until_asleep(getppid());
    }
    close(q[1]);
    read(q[0], buffer, 4);
    SAY(poll(&late, 1, 20000));
    printf("hang-up %x\n", late.revents);
    wait_for(child);
}

static void selects(void) {
    int p[2];
    pipe(p);
    fd_set in, out, except;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&except);
    FD_SET(p[0], &in);
    FD_SET(p[1], &out);
    FD_SET(p[0], &except);
    struct timeval t = {0, 0};
    SAY(select(p[1] + 1, &in, &out, &except, &t));
    printf("in %d out %d\n", FD_ISSET(p[0], &in) != 0, FD_ISSET(p[1], &out) != 0);
    write(p[1], "x", 1);
    FD_SET(p[0], &in);
    SAY(select(p[1] + 1, &in, &out, 0, 0));
    SAY(select(0, 0, 0, 0, &t));
    SAY(select(-1, 0, 0, 0, &t));
    FD_SET(200, &in);
    SAY(select(201, &in, 0, 0, &t));
    t = (struct timeval){-1, 0};
    SAY(select(0, 0, 0, 0, &t));
    FD_ZERO(&in);
    t = (struct timeval){0, 150000};
    long before = now_ms();
    SAY(select(1, &in, 0, 0, &t));
    printf("waited %d left %ld %ld\n", now_ms() - before >= 150, (long)t.tv_sec, (long)t.tv_usec);
    t = (struct timeval){100, 0};
    FD_SET(p[0], &in);
    SAY(select(p[0] + 1, &in, 0, 0, &t));
    printf("left about all %d\n", t.tv_sec >= 50);
    struct timespec ts = {0, 100000000};
    SAY(pselect(0, 0, 0, 0, &ts, 0));
    printf("untouched %ld\n", ts.tv_nsec);
    // A reader that hung up is readable.
    int q[2];
    pipe(q);
    close(q[1]);
    FD_ZERO(&in);
    FD_SET(q[0], &in);
    SAY(select(q[0] + 1, &in, 0, 0, 0));
    FD_ZERO(&out);
    pipe(q);
    close(q[0]);
    FD_SET(q[1], &out);
    SAY(select(q[1] + 1, 0, &out, 0, 0));
    // Descriptors beyond the first word.
    dup2(p[0], 130);
    FD_ZERO(&in);
    FD_SET(130, &in);
    SAY(select(131, &in, 0, 0, 0));
    printf("high %d\n", FD_ISSET(130, &in) != 0);
}

static int by_data(const void *left, const void *right) {
    return (int)((struct epoll_event *)left)->data.u32 - (int)((struct epoll_event *)right)->data.u32;
}

// What is ready, in an order of our own.
static void wait_one(const char *what, int ep) {
    struct epoll_event got[8];
    memset(got, 0, sizeof got);
    int n = epoll_wait(ep, got, 8, 0);
    qsort(got, n > 0 ? n : 0, sizeof *got, by_data);
    printf("%s: %d", what, n);
    for (int i = 0; i < n; i++)
        printf(" [%x %d]", got[i].events, (int)got[i].data.u32);
    puts("");
}

static int control(int ep, int how, int fd, unsigned events, unsigned data) {
    struct epoll_event event = {.events = events, .data.u32 = data};
    return epoll_ctl(ep, how, fd, &event);
}

static void epolls(void) {
    int ep = epoll_create1(EPOLL_CLOEXEC), p[2], s[2];
    SAY(fcntl(ep, F_GETFD));
    SAY(epoll_create(0));
    SAY(epoll_create1(77));
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    SAY(control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    SAY(control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    SAY(control(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT, 1));
    SAY(control(ep, EPOLL_CTL_DEL, p[1], 0, 0));
    SAY(control(ep, EPOLL_CTL_ADD, 99, EPOLLIN, 1));
    SAY(control(99, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    SAY(control(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN, 1));
    SAY(control(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
    SAY(control(ep, 9, p[1], EPOLLIN, 1));
    SAY(control(ep, EPOLL_CTL_ADD, open("/etc/passwd", O_RDONLY), EPOLLIN, 1));
    SAY(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], 0));
    SAY(epoll_wait(ep, (void *)1, 0, 0));
    struct epoll_event got[8];
    SAY(epoll_wait(ep, got, -1, 0));
    SAY(epoll_wait(p[0], got, 1, 0));
    wait_one("nothing", ep);
    write(p[1], "ab", 2);
    wait_one("level", ep);
    read(p[0], buffer, 1);
    wait_one("level again", ep);
    read(p[0], buffer, 1);
    wait_one("read", ep);
    // Edges: told once for each that comes, whether or not it is read.
    SAY(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 2));
    write(p[1], "a", 1);
    wait_one("edge", ep);
    wait_one("no second", ep);
    write(p[1], "b", 1);
    wait_one("another edge", ep);
    read(p[0], buffer, 1);
    wait_one("a read is none", ep);
    SAY(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 3));
    wait_one("a change tells again", ep);
    SAY(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4));
    wait_one("once", ep);
    write(p[1], "c", 1);
    wait_one("disarmed", ep);
    SAY(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 5));
    wait_one("armed", ep);
    SAY(control(ep, EPOLL_CTL_DEL, p[0], 0, 0));
    wait_one("removed", ep);
    // Hang-ups come without being asked for.
    SAY(control(ep, EPOLL_CTL_ADD, p[0], 0, 6));
    close(p[1]);
    wait_one("hang-up", ep);
    close(p[0]);
    wait_one("closed goes by itself", ep);
    SAY(control(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 7));
    wait_one("socket", ep);
    write(s[1], "x", 1);
    wait_one("data", ep);
    shutdown(s[1], SHUT_WR);
    wait_one("half closed", ep);
    close(s[1]);
    wait_one("peer gone", ep);
    // A duplicate keeps the description, and with it the entry.
    int q[2];
    pipe(q);
    control(ep, EPOLL_CTL_DEL, s[0], 0, 0);
    control(ep, EPOLL_CTL_ADD, q[0], EPOLLIN, 8);
    int copy = dup(q[0]);
    SAY(control(ep, EPOLL_CTL_ADD, copy, EPOLLIN, 9));
    close(q[0]);
    write(q[1], "x", 1);
    wait_one("both entries", ep);
    close(copy);
    wait_one("none left", ep);
}

static void epoll_nested(void) {
    int outer = epoll_create1(0), inner = epoll_create1(0), p[2];
    pipe(p);
    SAY(control(inner, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    SAY(control(outer, EPOLL_CTL_ADD, inner, EPOLLIN, 2));
    SAY(control(inner, EPOLL_CTL_ADD, outer, EPOLLIN, 3));
    wait_one("outer", outer);
    write(p[1], "x", 1);
    wait_one("outer with data", outer);
    poll_one("inner is readable", inner, POLLIN | POLLOUT);
    wait_one("inner", inner);
    read(p[0], buffer, 1);
    wait_one("outer afterwards", outer);
    // Several ready: all are told, and a short list goes round.
    int pipes[6][2];
    for (int i = 0; i < 6; i++) {
        pipe(pipes[i]);
        control(inner, EPOLL_CTL_ADD, pipes[i][0], EPOLLIN, 10 + i);
        write(pipes[i][1], "x", 1);
    }
    struct epoll_event got[2];
    unsigned seen = 0;
    for (int round = 0; round < 3; round++) {
        int n = epoll_wait(inner, got, 2, 0);
        for (int i = 0; i < n; i++)
            seen |= 1U << (got[i].data.u32 - 10);
    }
    printf("all were told %x\n", seen);
    // A waiter in another process, woken by an edge.
    pid_t child;
    IN_CHILD (child) {
        for (int i = 0; i < 6; i++)
            control(inner, EPOLL_CTL_DEL, pipes[i][0], 0, 0);
        int n = epoll_wait(inner, got, 2, 20000);
        printf("woken %d data %d\n", n, got[0].data.u32);
    }
    until_asleep(child);
    write(p[1], "y", 1);
    wait_for(child);
    // The signal mask of epoll_pwait.
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, 0);
    signal(SIGUSR1, SIG_IGN);
    int empty = epoll_create1(0);
    SAY(epoll_pwait(empty, got, 2, 100, &none));
    long long t[2] = {0, 100000000}; // 64 bits each, of a 32-bit program too.
    SAY(syscall(SYS_epoll_pwait2, empty, got, 2, t, 0, 0));
    // An exclusive entry takes no changes.
    int q[2];
    pipe(q);
    SAY(control(empty, EPOLL_CTL_ADD, q[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
    SAY(control(empty, EPOLL_CTL_MOD, q[0], EPOLLIN, 1));
    SAY(control(empty, EPOLL_CTL_ADD, q[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
}

static void eventfds(void) {
    uint64_t value = 5;
    int e = eventfd(3, EFD_NONBLOCK);
    SAY(read(e, &value, 8));
    printf("%d\n", (int)value);
    SAY(read(e, &value, 8));
    value = 4;
    SAY(write(e, &value, 8));
    SAY(write(e, &value, 8));
    SAY(write(e, &value, 4));
    SAY(read(e, &value, 4));
    SAY(read(e, &value, 8));
    printf("%d\n", (int)value);
    value = UINT64_MAX;
    SAY(write(e, &value, 8));
    value = UINT64_MAX - 1;
    SAY(write(e, &value, 8));
    poll_one("full", e, POLLIN | POLLOUT);
    value = 1;
    SAY(write(e, &value, 8));
    int s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
    SAY(read(s, &value, 8));
    printf("%d\n", (int)value);
    SAY(read(s, &value, 8));
    SAY(read(s, &value, 8));
    poll_one("empty", s, POLLIN | POLLOUT);
    SAY(eventfd(0, 0x777));
    SAY(lseek(s, 0, SEEK_SET));
    int b = eventfd(0, 0);
    pid_t child;
    IN_CHILD (child) {
        read(b, &value, 8);
        printf("waited for %d\n", (int)value);
    }
    until_asleep(child);
    value = 9;
    write(b, &value, 8);
    wait_for(child);
}

static void timerfds(void) {
    uint64_t n = 0;
    int t = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec when = {{0, 0}, {0, 100000000}}, left;
    SAY(timerfd_settime(t, 0, &when, 0));
    poll_one("running", t, POLLIN);
    SAY(read(t, &n, 8));
    printf("expired %d\n", (int)n);
    SAY(timerfd_gettime(t, &left));
    printf("%ld %ld\n", (long)left.it_value.tv_sec, left.it_value.tv_nsec);
    when = (struct itimerspec){{0, 100000000}, {0, 100000000}};
    timerfd_settime(t, 0, &when, 0);
    struct pollfd p = {t, POLLIN, 0};
    SAY(poll(&p, 1, 20000));
    sleep_ms(250);
    SAY(read(t, &n, 8));
    printf("several %d\n", n >= 3);
    when = (struct itimerspec){{0, 0}, {100, 0}};
    SAY(timerfd_settime(t, 0, &when, &left));
    printf("interval was %ld\n", left.it_interval.tv_nsec);
    timerfd_gettime(t, &left);
    printf("about %d\n", left.it_value.tv_sec >= 50 && left.it_value.tv_sec <= 100);
    fcntl(t, F_SETFL, O_NONBLOCK);
    SAY(read(t, &n, 8));
    when = (struct itimerspec){{0, 0}, {0, 1000000000}};
    SAY(timerfd_settime(t, 0, &when, 0));
    when = (struct itimerspec){{0, 0}, {0, 1}}; // A nanosecond after the start.
    SAY(timerfd_settime(t, TFD_TIMER_ABSTIME, &when, 0));
    SAY(read(t, &n, 8));
    SAY(timerfd_settime(t, 77, &when, 0));
    SAY(timerfd_settime(t, 0, (void *)1, 0));
    SAY(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
    SAY(timerfd_create(CLOCK_REALTIME, 77));
    SAY(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC) > 2);
    SAY(write(t, &n, 8));
}

static volatile int fired;
static void on_timer(int signal, siginfo_t *info, void *context) {
    (void)context;
    if (!fired++) printf("signal %d code %d value %d\n", signal, info->si_code, info->si_value.sival_int);
}
static volatile int thread_fired;
static void in_thread(union sigval value) {
    thread_fired = value.sival_int;
}
static void posix_timers(void) {
    struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    timer_t timer;
    struct itimerspec when = {{0, 0}, {0, 50000000}}, left;
    for (int clock = 0; clock < 2; clock++) {
        fired = 0;
        SAY(timer_create(clock ? CLOCK_REALTIME : CLOCK_BOOTTIME, &event, &timer));
        SAY(timer_settime(timer, 0, &when, 0));
        while (!fired)
            sleep_ms(10);
        SAY(timer_gettime(timer, &left));
        printf("%ld %ld\n", (long)left.it_value.tv_sec, left.it_value.tv_nsec);
        SAY(timer_delete(timer));
    }
    // Expirations while the signal waits are one signal, and counted.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, 0);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    when = (struct itimerspec){{0, 50000000}, {0, 50000000}};
    timer_settime(timer, 0, &when, 0);
    sleep_ms(330);
    siginfo_t info;
    SAY(sigwaitinfo(&set, &info));
    printf("overrun %d %d\n", info.si_overrun >= 4, timer_getoverrun(timer) >= 4);
    when = (struct itimerspec){{0, 0}, {0, 0}};
    SAY(timer_settime(timer, 0, &when, &left));
    printf("interval was %ld\n", left.it_interval.tv_nsec);
    SAY(timer_delete(timer));
    SAY(timer_getoverrun(timer));
    // Gone with the process that made it: a child has none.
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    pid_t child;
    IN_CHILD (child) {
        SAY(timer_gettime(timer, &left));
    }
    wait_for(child);
    event = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 7};
    event.sigev_notify_function = in_thread;
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    when = (struct itimerspec){{0, 0}, {0, 50000000}};
    timer_settime(timer, 0, &when, 0);
    for (int i = 0; i < 2000 && !thread_fired; i++)
        sleep_ms(10);
    printf("in a thread %d\n", thread_fired);
    // Intervals do not drift: the next expiration is on the grid.
    struct itimerval real = {{0, 200000}, {0, 200000}}, now;
    signal(SIGALRM, SIG_IGN);
    SAY(setitimer(ITIMER_REAL, &real, 0));
    sleep_ms(500);
    SAY(getitimer(ITIMER_REAL, &now));
    printf("within %d interval %ld\n", now.it_value.tv_usec <= 200000, (long)now.it_interval.tv_usec);
    real = (struct itimerval){{0, 0}, {0, 0}};
    SAY(setitimer(ITIMER_REAL, &real, &now));
    SAY(getitimer(ITIMER_REAL, &now));
    printf("%ld\n", (long)now.it_value.tv_usec);
}

// What an inotify descriptor has to tell, with names of the bits.
static void tell(const char *what, int fd) {
    static const char *const names[32] = {
        "access",   "modify",  "attrib",     "close_write", "close",     "open", "moved_from",
        "moved_to", "create",  "delete",     "delete_self", "move_self", 0,      "unmount",
        "overflow", "ignored", [30] = "dir",
    };
    printf("%s:", what);
    long size;
    while ((size = read(fd, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < size;) {
            struct inotify_event *event = (void *)(buffer + at);
            printf(" [%d", event->wd);
            for (int bit = 0; bit < 32; bit++)
                if (event->mask >> bit & 1) printf(" %s", names[bit] ? names[bit] : "?");
            printf("%s%s%s]", event->len ? " " : "", event->len ? event->name : "", event->cookie ? " cookie" : "");
            at += sizeof *event + event->len;
        }
    }
    puts("");
}

static void inotifies(void) {
    chdir("/dev/shm");
    mkdir("watched", 0755);
    int i = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    SAY(inotify_add_watch(i, "watched", IN_ALL_EVENTS));
    SAY(inotify_add_watch(i, "none", IN_ALL_EVENTS));
    SAY(inotify_add_watch(i, "watched", 0));
    SAY(inotify_add_watch(0, "watched", IN_CREATE));
    SAY(inotify_init1(77));
    SAY(read(i, buffer, sizeof buffer));
    int f = open("watched/a", O_CREAT | O_RDWR, 0600);
    tell("created", i);
    write(f, "x", 1);
    write(f, "y", 1);
    tell("two writes are one", i);
    pread(f, buffer, 1, 0);
    tell("read", i);
    ftruncate(f, 0);
    tell("truncated", i);
    fchmod(f, 0644);
    tell("mode", i);
    close(f);
    tell("closed", i);
    f = open("watched/a", O_RDONLY);
    close(f);
    tell("opened for reading", i);
    rename("watched/a", "watched/b");
    tell("renamed", i);
    rename("watched/b", "outside");
    tell("moved out", i);
    rename("outside", "watched/b");
    tell("moved in", i);
    link("watched/b", "watched/c");
    tell("linked", i);
    symlink("b", "watched/l");
    tell("symbolic link", i);
    mkdir("watched/d", 0755);
    tell("directory", i);
    rmdir("watched/d");
    tell("directory removed", i);
    unlink("watched/c");
    tell("unlinked", i);
    int self = inotify_add_watch(i, "watched/b", IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB);
    printf("another watch %d\n", self);
    rename("watched/b", "watched/e");
    tell("the file itself moved", i);
    unlink("watched/e");
    tell("the file itself went", i);
    SAY(inotify_rm_watch(i, self));
    SAY(inotify_add_watch(i, "watched", IN_CREATE | IN_ONESHOT));
    close(open("watched/x", O_CREAT | O_WRONLY, 0600));
    close(open("watched/y", O_CREAT | O_WRONLY, 0600));
    tell("one only", i);
    int w = inotify_add_watch(i, "watched", IN_CREATE);
    SAY(inotify_add_watch(i, "watched", IN_DELETE | IN_MASK_ADD) == w);
    close(open("watched/z", O_CREAT | O_WRONLY, 0600));
    unlink("watched/z");
    tell("added to the mask", i);
    SAY(inotify_add_watch(i, "watched/x", IN_MODIFY | IN_ONLYDIR));
    SAY(inotify_add_watch(i, "watched", IN_CREATE | IN_MASK_CREATE));
    SAY(inotify_rm_watch(i, w));
    tell("removed", i);
    SAY(inotify_rm_watch(i, w));
    SAY(inotify_rm_watch(0, w));
    w = inotify_add_watch(i, "watched", IN_DELETE_SELF | IN_OPEN);
    SAY(read(i, buffer, 10));
    unlink("watched/x");
    unlink("watched/y");
    unlink("watched/l");
    rmdir("watched");
    tell("the directory went", i);
    poll_one("nothing left", i, POLLIN);
    // A waiter is woken.
    mkdir("again", 0755);
    fcntl(i, F_SETFL, 0);
    inotify_add_watch(i, "again", IN_CREATE);
    pid_t child;
    IN_CHILD (child) {
        SAY(read(i, buffer, sizeof buffer) > 0);
    }
    until_asleep(child);
    mkdir("again/new", 0755);
    wait_for(child);
}

MAIN(TEST(polls), TEST(selects), TEST(epolls), TEST(epoll_nested), TEST(eventfds), TEST(timerfds), TEST(posix_timers),
     TEST(inotifies))
