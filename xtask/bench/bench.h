// What every kernel shares: the clock, the repetitions, the report.
//
// A kernel defines `work`, which returns a checksum. It runs in one process for ENOUGH nanoseconds, but at least LEAST
// and at most MOST times. Standard output gets "<checksum>" (the same for every run and host), then one line of
// nanoseconds for each run: the first is that of code and memory never touched before, the later half is warm.
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST = 3, MOST = 100 };
#define ENOUGH 1000000000LL

#define NOINLINE __attribute__((noinline))

static uint32_t work(void);

// The engine reads the host's clock when it turns to another task: an argument asks to make it do so. Natively, to yield
// would be to wait for others.
static int yields;

static long long now_ns(void) {
    struct timespec now;
    if (yields) sched_yield();
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// Numerical Recipes' linear congruential generator.
static inline uint32_t next_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

int main(int count, char **words) {
    (void)words;
    yields = count > 1;
    long long spent[MOST], all = 0;
    uint32_t checksum = 0;
    int runs = 0;
    for (; runs < LEAST || (runs < MOST && all < ENOUGH); runs++) {
        long long start = now_ns();
        uint32_t sum = work();
        all += spent[runs] = now_ns() - start;
        if (runs > 0 && sum != checksum) return 1;
        checksum = sum;
    }
    printf("%08x\n", checksum);
    for (int i = 0; i < runs; i++) printf("%lld\n", spent[i]);
    return 0;
}
