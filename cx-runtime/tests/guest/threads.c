// Threads and futexes.
#include "cases.h"
#include <linux/futex.h>
#include <semaphore.h>
#include <sched.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter, atomic;
static __thread int mine;
static void *add(void *arg) {
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        __sync_fetch_and_add(&atomic, 1);
        mine++;
        if (i % 50 == 0) sched_yield();
    }
    *(long *)arg = mine;
    return arg;
}
static void sixty_four(void) {
    pthread_t t[64];
    long own[64], sum = 0;
    for (int i = 0; i < 64; i++)
        pthread_create(&t[i], 0, add, &own[i]);
    for (int i = 0; i < 64; i++) {
        void *r;
        pthread_join(t[i], &r);
        sum += *(long *)r;
    }
    printf("%ld %ld %ld %d\n", counter, atomic, sum, mine);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 64; i++)
            pthread_create(&t[i], 0, (void *(*)(void *))pthread_self, 0);
        for (int i = 0; i < 64; i++)
            pthread_join(t[i], 0);
    }
    puts("twelve hundred threads");
}

static int turn, log_[64], logged;
static void *in_turn(void *arg) {
    int me = (long)arg;
    for (int i = 0; i < 8; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != me)
            pthread_cond_wait(&cond, &mutex);
        log_[logged++] = me;
        turn = (turn + 1) % 8;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return 0;
}
static void conditions(void) {
    pthread_t t[8];
    for (long i = 0; i < 8; i++)
        pthread_create(&t[i], 0, in_turn, (void *)i);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], 0);
    int ok = 1;
    for (int i = 0; i < 64; i++)
        ok &= log_[i] == i % 8;
    printf("in turn %d\n", ok);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 50000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&mutex);
    printf("timed out %d\n", pthread_cond_timedwait(&cond, &mutex, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_lock(&mutex);
    printf("busy %d %d\n", pthread_mutex_trylock(&mutex) == EBUSY,
           pthread_mutex_timedlock(&mutex, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_t r;
    pthread_mutex_init(&r, &a);
    for (int i = 0; i < 5; i++)
        pthread_mutex_lock(&r);
    for (int i = 0; i < 5; i++)
        pthread_mutex_unlock(&r);
    printf("recursive %d\n", pthread_mutex_unlock(&r) == EPERM);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&r, &a);
    pthread_mutex_lock(&r);
    printf("checked %d\n", pthread_mutex_lock(&r) == EDEADLK);
    pthread_mutex_unlock(&r);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_NORMAL);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
    printf("inheriting %d", pthread_mutex_init(&r, &a));
    printf(" %d", pthread_mutex_lock(&r));
    printf(" %d\n", pthread_mutex_unlock(&r));
    pthread_mutex_init(&mutex, &a);
    counter = 0;
    long own[8];
    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], 0, add, &own[i]);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], 0);
    printf("inheriting, eight threads %ld\n", counter);
}

static pthread_barrier_t barrier;
static int serial, arrived, wrong;
static void *at_barrier(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        __sync_fetch_and_add(&arrived, 1);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serial++;
        if (arrived < (i + 1) * 16) wrong++;
        pthread_barrier_wait(&barrier);
    }
    return 0;
}
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static int readers, most, writers;
static void *read_or_write(void *arg) {
    for (int i = 0; i < 20; i++) {
        if ((long)arg % 4) {
            pthread_rwlock_rdlock(&rw);
            int n = __sync_add_and_fetch(&readers, 1);
            if (n > most) most = n;
            sched_yield();
            if (writers) wrong++;
            __sync_fetch_and_sub(&readers, 1);
        } else {
            pthread_rwlock_wrlock(&rw);
            writers++;
            if (readers || writers > 1) wrong++;
            sched_yield();
            writers--;
        }
        pthread_rwlock_unlock(&rw);
    }
    return 0;
}
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int onces;
static void only(void) {
    onces++;
    sleep_ms(10);
}
static void *call_once(void *arg) {
    pthread_once(&once, only);
    return arg;
}
static sem_t sem;
static void *post(void *arg) {
    for (int i = 0; i < 100; i++)
        sem_post(&sem);
    return arg;
}
static void others(void) {
    pthread_t t[64];
    pthread_barrier_init(&barrier, 0, 16);
    for (int i = 0; i < 16; i++)
        pthread_create(&t[i], 0, at_barrier, 0);
    for (int i = 0; i < 16; i++)
        pthread_join(t[i], 0);
    printf("barrier %d %d\n", serial, wrong);
    for (long i = 0; i < 16; i++)
        pthread_create(&t[i], 0, read_or_write, (void *)i);
    for (int i = 0; i < 16; i++)
        pthread_join(t[i], 0);
    printf("rwlock %d\n", wrong);
    for (int i = 0; i < 16; i++)
        pthread_create(&t[i], 0, call_once, 0);
    for (int i = 0; i < 16; i++)
        pthread_join(t[i], 0);
    printf("once %d\n", onces);
    sem_init(&sem, 0, 0);
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], 0, post, 0);
    for (int i = 0; i < 400; i++)
        sem_wait(&sem);
    int left;
    sem_getvalue(&sem, &left);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], 0);
    printf("semaphore %d %d\n", left, sem_trywait(&sem));
    sem_t *between = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(between, 1, 0);
    sem_init(between + 1, 1, 0);
    pid_t c;
    IN_CHILD (c) {
        for (int i = 0; i < 50; i++) {
            sem_wait(between);
            sem_post(between + 1);
        }
    }
    for (int i = 0; i < 50; i++) {
        sem_post(between);
        sem_wait(between + 1);
    }
    say_status("ping pong", wait_for(c));
}

static int word, two;
static long futex(int *at, int op, int value, void *time, int *other, int third) {
    return syscall(SYS_futex, at, op, value, time, other, third);
}
static void *wait_on(void *arg) {
    return (void *)futex(arg, FUTEX_WAIT, 0, 0, 0, 0);
}
static void *wait_bits(void *arg) {
    return (void *)futex(&word, FUTEX_WAIT_BITSET, 0, 0, 0, (int)(long)arg);
}
static void futexes(void) {
    struct timespec t = {0, 20000000};
    SAY(futex(&word, FUTEX_WAIT, 1, 0, 0, 0));
    SAY(futex(&word, FUTEX_WAIT, 0, &t, 0, 0));
    SAY(futex(&word, FUTEX_WAKE, 10, 0, 0, 0));
    pthread_t th[8];
    for (int i = 0; i < 4; i++)
        pthread_create(&th[i], 0, wait_on, &word);
    until_threads_sleep(4);
    SAY(futex(&word, FUTEX_WAKE, 1, 0, 0, 0));
    SAY(futex(&word, FUTEX_REQUEUE, 1, (void *)1, &two, 0));
    SAY(futex(&word, FUTEX_CMP_REQUEUE, 0, (void *)5, &two, 5));
    SAY(futex(&word, FUTEX_WAKE, 10, 0, 0, 0));
    SAY(futex(&two, FUTEX_WAKE, 10, 0, 0, 0));
    for (int i = 0; i < 4; i++)
        pthread_join(th[i], 0);
    for (long i = 0; i < 3; i++)
        pthread_create(&th[i], 0, wait_bits, (void *)(1L << i));
    until_threads_sleep(3);
    SAY(futex(&word, FUTEX_WAKE_BITSET, 10, 0, 0, 2));
    SAY(futex(&word, FUTEX_WAKE_BITSET, 10, 0, 0, 8));
    SAY(futex(&word, FUTEX_WAKE_BITSET, 10, 0, 0, -1));
    for (int i = 0; i < 3; i++)
        pthread_join(th[i], 0);
    pthread_create(&th[0], 0, wait_on, &word);
    pthread_create(&th[1], 0, wait_on, &two);
    until_threads_sleep(2);
    SAY(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &two, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0)));
    printf("two %d\n", two);
    pthread_join(th[0], 0);
    pthread_join(th[1], 0);
    SAY(futex((int *)1, FUTEX_WAIT, 0, 0, 0, 0));
    SAY(futex((int *)4, FUTEX_WAIT, 0, 0, 0, 0));
    SAY(futex(&word, 77, 0, 0, 0, 0));
    SAY(futex(&word, FUTEX_WAIT_BITSET, 0, 0, 0, 0));
    t.tv_nsec = -1;
    SAY(futex(&word, FUTEX_WAIT, 0, &t, 0, 0));
    clock_gettime(CLOCK_MONOTONIC, &t);
    SAY(futex(&word, FUTEX_WAIT_BITSET, 0, &t, 0, -1));
    clock_gettime(CLOCK_REALTIME, &t);
    SAY(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, 0, -1));
    int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t c;
    IN_CHILD (c) {
        futex(shared, FUTEX_WAIT, 0, 0, 0, 0);
    }
    until_asleep(c);
    SAY(futex(shared, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0));
    SAY(futex(shared, FUTEX_WAKE, 1, 0, 0, 0));
    wait_for(c);
    int f = open("fx", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(f, 4096);
    int *a = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    IN_CHILD (c) {
        int *b = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
        futex(b, FUTEX_WAIT, 0, 0, 0, 0);
    }
    until_asleep(c);
    SAY(futex(a, FUTEX_WAKE, 1, 0, 0, 0));
    wait_for(c);
    word = 0;
    SAY(futex(&word, FUTEX_LOCK_PI, 0, 0, 0, 0));
    printf("owned %d\n", word == (int)syscall(SYS_gettid));
    SAY(futex(&word, FUTEX_TRYLOCK_PI, 0, 0, 0, 0));
    SAY(futex(&word, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
    SAY(futex(&word, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
}

static pthread_mutex_t robust;
static void *die_holding(void *arg) {
    pthread_mutex_lock(&robust);
    return arg;
}
static void robustness(void) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &a);
    pthread_t t;
    pthread_create(&t, 0, die_holding, 0);
    pthread_join(t, 0);
    int r = pthread_mutex_lock(&robust);
    printf("owner died %d\n", r == EOWNERDEAD);
    printf("consistent %d\n", pthread_mutex_consistent(&robust));
    printf("unlock %d\n", pthread_mutex_unlock(&robust));
    printf("lock %d\n", pthread_mutex_lock(&robust));
    pthread_mutex_unlock(&robust);
    pthread_create(&t, 0, die_holding, 0);
    pthread_join(t, 0);
    printf("%d\n", pthread_mutex_lock(&robust) == EOWNERDEAD);
    pthread_mutex_unlock(&robust);
    printf("not recoverable %d\n", pthread_mutex_lock(&robust) == ENOTRECOVERABLE);
    pthread_mutex_t *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(m, &a);
    int gate[2];
    pipe(gate);
    pid_t c;
    IN_CHILD (c) {
        pthread_mutex_lock(m);
        release(gate);
        until_asleep(getppid());
        kill(getpid(), SIGKILL);
    }
    pass(gate);
    printf("killed holder %d\n", pthread_mutex_lock(m) == EOWNERDEAD);
    wait_for(c);
}

static pthread_key_t key;
static int destroyed;
static void destroy(void *p) {
    destroyed += (int)(long)p;
}
static void *with_key(void *arg) {
    pthread_setspecific(key, arg);
    return 0;
}
static void cleanup(void *arg) {
    printf("cleanup %s\n", (char *)arg);
}
static void *cancelled(void *arg) {
    pthread_cleanup_push(cleanup, "handler");
    pause();
    pthread_cleanup_pop(0);
    return arg;
}
static void *asynchronous(void *arg) {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0);
    *(volatile int *)arg = 1;
    for (;;) {
    }
    return 0;
}
static void *detached(void *arg) {
    sleep_ms(20);
    __sync_fetch_and_add((int *)arg, 1);
    return 0;
}
static void lives(void) {
    pthread_t t;
    void *r;
    pthread_key_create(&key, destroy);
    for (long i = 1; i <= 4; i++) {
        pthread_create(&t, 0, with_key, (void *)i);
        pthread_join(t, 0);
    }
    printf("destroyed %d\n", destroyed);
    pthread_create(&t, 0, cancelled, 0);
    pthread_cancel(t);
    pthread_join(t, &r);
    printf("cancelled %d\n", r == PTHREAD_CANCELED);
    volatile int started = 0;
    pthread_create(&t, 0, asynchronous, (void *)&started);
    while (!started)
        sleep_ms(1);
    pthread_cancel(t);
    pthread_join(t, &r);
    printf("cancelled in a loop %d\n", r == PTHREAD_CANCELED);
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&a, 1 << 16);
    int done = 0;
    for (int i = 0; i < 10; i++)
        pthread_create(&t, &a, detached, &done);
    for (int i = 0; i < 4000 && done < 10; i++)
        sleep_ms(5);
    printf("detached %d\n", done);
    size_t size;
    pthread_attr_getstacksize(&a, &size);
    printf("stack %zu\n", size);
    char name[16];
    pthread_setname_np(pthread_self(), "main-name");
    pthread_getname_np(pthread_self(), name, 16);
    puts(name);
    printf("join self %d\n", pthread_join(pthread_self(), 0) == EDEADLK);
    cpu_set_t set;
    SAY(sched_getaffinity(0, sizeof set, &set) >= 0 && CPU_COUNT(&set) > 0);
    SAY(sched_getscheduler(0));
    struct sched_param p = {0};
    SAY(sched_setscheduler(0, SCHED_OTHER, &p));
    SAY(sched_get_priority_max(SCHED_FIFO));
    SAY(sched_get_priority_min(99));
    SAY(sched_getscheduler(999999));
    struct timespec quantum;
    SAY(sched_rr_get_interval(0, &quantum));
    struct timespec cpu;
    clockid_t clock;
    SAY(pthread_getcpuclockid(pthread_self(), &clock));
    SAY(clock_gettime(clock, &cpu));
    SAY(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu));
    SAY(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu));
    SAY(clock_gettime(CLOCK_BOOTTIME, &cpu));
    SAY(clock_gettime(99, &cpu));
    SAY(clock_getres(CLOCK_MONOTONIC, &cpu));
    printf("%ld\n", cpu.tv_nsec);
    SAY(clock_getres(CLOCK_REALTIME_COARSE, &cpu));
    SAY(syscall(SYS_set_robust_list, 0, 5));
    SAY(syscall(SYS_gettid) > 0);
}
MAIN(TEST(sixty_four), TEST(conditions), TEST(others), TEST(futexes), TEST(robustness), TEST(lives))
