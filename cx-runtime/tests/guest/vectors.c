// The upper halves of vector registers in signal frames, across threads and processes. Needs AVX.
#include "cases.h"
#include <cpuid.h>
#include <immintrin.h>
#include <ucontext.h>

#define AVX2 __attribute__((target("avx2")))
typedef unsigned char Registers[8][32];

// Bits of XCR0 that this program knows; the machine may have more.
enum { X87 = 1, SSE = 2, AVX = 4, KNOWN = 7 };

static AVX2 void load(Registers *r) {
    __asm__ volatile("vmovdqu (%0), %%ymm0; vmovdqu 32(%0), %%ymm1; vmovdqu 64(%0), %%ymm2; vmovdqu 96(%0), %%ymm3;"
                     "vmovdqu 128(%0), %%ymm4; vmovdqu 160(%0), %%ymm5; vmovdqu 192(%0), %%ymm6; vmovdqu 224(%0), %%ymm7"
                     ::"r"(r) : "memory");
}
static AVX2 void store(Registers *r) {
    __asm__ volatile("vmovdqu %%ymm0, (%0); vmovdqu %%ymm1, 32(%0); vmovdqu %%ymm2, 64(%0); vmovdqu %%ymm3, 96(%0);"
                     "vmovdqu %%ymm4, 128(%0); vmovdqu %%ymm5, 160(%0); vmovdqu %%ymm6, 192(%0); vmovdqu %%ymm7, 224(%0)"
                     ::"r"(r) : "memory");
}
static void fill(Registers *r, int seed) {
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 32; j++)
            (*r)[i][j] = (unsigned char)(seed + 32 * i + j);
}
static void print(const char *what, Registers *r) {
    printf("%s:", what);
    for (int i = 0; i < 8; i++)
        printf(" %02x-%02x", (*r)[i][0], (*r)[i][16]);
    puts("");
}
// A system call that leaves the vector registers alone.
static inline long call(long number, long a, long b) {
#ifdef __i386__
    __asm__ volatile("int $0x80" : "+a"(number) : "b"(a), "c"(b) : "memory");
#else
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b) : "rcx", "r11", "memory");
#endif
    return number;
}

static int edit;
static Registers inside;
static unsigned char *fxsave_of(ucontext_t *u) {
    unsigned char *state = (void *)u->uc_mcontext.fpregs;
#ifdef __i386__
    state += 112;
#endif
    return state;
}
static AVX2 void handler(int signal, siginfo_t *info, void *context) {
    store(&inside);
    (void)signal, (void)info;
    ucontext_t *u = context;
    unsigned char *fx = fxsave_of(u);
    uint32_t *software = (void *)(fx + 464);
    uint64_t *header = (void *)(fx + 512);
    uint32_t size = software[4], *tail = (void *)(fx + size);
    printf("magic %x tail %x more %d features %llx aligned %d flags %lx\n", software[0], *tail, software[1] - size,
           (unsigned long long)*(uint64_t *)(software + 2) & KNOWN, ((uintptr_t)fx & 63) == 0, u->uc_flags & 1);
    printf("header %llx: %02x %02x\n", (unsigned long long)header[0] & KNOWN, fx[160 + 16 * 2], fx[576 + 16 * 2]);
    switch (edit) {
    case 1: fx[160 + 16 * 3] = 0xee, fx[576 + 16 * 3] = 0xdd; break;
    case 2: header[0] &= ~(uint64_t)AVX; break;
    case 3: header[0] &= ~(uint64_t)SSE; break;
    case 4: software[0] = 0; break;
    case 5: *tail = 0; break;
    case 6: header[1] = 1; break;
    case 7: header[4] = 1; break;
    case 8: header[0] |= 1ull << 62; break;
    case 9: software[2] &= ~AVX; break;
    }
    _mm256_zeroall();
}

static AVX2 void signals(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    for (edit = 0; edit <= 9; edit++) {
        pid_t child;
        IN_CHILD (child) {
            Registers before, after;
            fill(&before, 7);
            pid_t pid = getpid();
            load(&before);
            call(SYS_kill, pid, SIGUSR1);
            store(&after);
            _mm256_zeroupper();
            print("inside", &inside);
            print("after", &after);
        }
        printf("edit %d", edit);
        say_status("", wait_for(child));
    }
    // Nothing in the upper halves: the header says so.
    Registers after;
    edit = 0;
    _mm256_zeroall();
    call(SYS_kill, getpid(), SIGUSR1);
    store(&after);
    print("after", &after);
}

static AVX2 void *spin(void *argument) {
    Registers before, after;
    long seed = (long)argument, same = 0;
    fill(&before, (int)seed * 5);
    for (int i = 0; i < 200; i++) {
        load(&before);
        call(SYS_sched_yield, 0, 0);
        store(&after);
        same += !memcmp(before, after, sizeof before);
    }
    return (void *)same;
}
static void threads(void) {
    pthread_t thread[4];
    for (long i = 0; i < 4; i++)
        pthread_create(&thread[i], 0, spin, (void *)i);
    for (int i = 0; i < 4; i++) {
        void *same;
        pthread_join(thread[i], &same);
        printf("kept %ld times\n", (long)same);
    }
}

static AVX2 void forks(void) {
    Registers before, after;
    fill(&before, 3);
    fflush(stdout);
    load(&before);
    long child = call(SYS_fork, 0, 0);
    store(&after);
    _mm256_zeroupper();
    if (child == 0) {
        print("child", &after);
        end_child();
    }
    wait_for((pid_t)child);
    print("parent", &after);
}

static void features(void) {
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    printf("osxsave %d avx %d\n", c >> 27 & 1, c >> 28 & 1);
    __cpuid_count(13, 0, a, b, c, d);
    printf("components %x\n", a & KNOWN);
    __cpuid_count(13, 2, a, b, c, d);
    printf("upper halves: %u bytes at %u\n", a, b);
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    printf("xcr0 %x\n", a & KNOWN);
    printf("avx2 %d fma %d\n", !!__builtin_cpu_supports("avx2"), !!__builtin_cpu_supports("fma"));
}

MAIN(TEST(features), TEST(signals), TEST(threads), TEST(forks))
