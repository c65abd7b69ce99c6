// Calls that are deep, that are left otherwise than by a return, and that come back to other code than they left.
#include "cases.h"
#include <ucontext.h>

#define NOINLINE __attribute__((noinline))
// What a translator may leave to an interpreter: a function with it is called by one and calls the other.
#define RARE __asm__ volatile("emms")

static jmp_buf out;

static NOINLINE int deep(int n, int jump) {
    volatile int here[2] = {n, n + 1};
    if (n == 0) {
        if (jump) longjmp(out, 7);
        return 1;
    }
    int result = deep(n - 1, jump);
    return result + here[1] - here[0];
}

static void deep_recursion(void) {
    long sum = 0;
    for (int round = 0; round < 20; round++) sum += deep(60000, 0);
    SAY(sum);
}

static void jumping_out(void) {
    volatile long sum = 0;
    for (volatile int round = 0; round < 20; round++) {
        int result = setjmp(out);
        if (!result) deep(20000, 1);
        sum += result;
    }
    SAY(sum);
}

static NOINLINE int rare(int n);
static NOINLINE int frequent(int n) {
    if (n == 0) return 1;
    int result = rare(n - 1);
    return result * 3 % 1000003 + 1;
}
static NOINLINE int rare(int n) {
    RARE;
    if (n == 0) return 2;
    int result = frequent(n - 1);
    RARE;
    return result * 5 % 1000003 + 2;
}

static void between_engines(void) {
    long sum = 0;
    for (int round = 0; round < 4000; round++) sum += frequent(round % 50);
    for (int round = 0; round < 4; round++) sum += frequent(60000);
    SAY(sum);
}

// Many locals, and jumps that only the data knows.
static NOINLINE int large(int n, int a, int b, int c) {
    int v[24];
    for (int i = 0; i < 24; i++) v[i] = a * i + b;
    if (n == 0) return c;
    unsigned s = 0;
    for (int i = 0; i < 24; i++) {
        s += v[i] ^ i;
        s += s & 1 ? v[i * 7 % 24] : -v[i * 5 % 24];
        switch (s & 7) {
        case 0: s += a; break;
        case 1: s -= b; break;
        case 2: s ^= c; break;
        case 3: s += n; break;
        case 4: s *= 3; break;
        case 5: s >>= 1; break;
        case 6: s += 9; break;
        default: s -= 4;
        }
    }
    int result = large(n - 1, b, s, c + 1);
    return result + (s & 1);
}

static void large_frames(void) {
    long sum = 0;
    for (int round = 0; round < 10; round++) sum += large(20000, round, 3, 0);
    SAY(sum);
}

static ucontext_t home, away;
static int shared_value;

static NOINLINE int step(int n) {
    RARE;
    shared_value += n;
    swapcontext(&away, &home);
    return n + shared_value % 7;
}

static void body(void) {
    for (int n = 0;; n = step(n + 1) % 1000) {
    }
}

static void other_stacks(void) {
    static char stack[65536];
    getcontext(&away);
    away.uc_stack.ss_sp = stack;
    away.uc_stack.ss_size = sizeof stack;
    away.uc_link = 0;
    makecontext(&away, body, 0);
    for (int i = 0; i < 30000; i++) swapcontext(&home, &away);
    SAY(shared_value);
}

static volatile int alarms;
static void on_alarm(int number) {
    (void)number;
    alarms = alarms + (deep(30, 0) > 0);
}

static void signals_in_calls(void) {
    struct itimerval often = {{0, 3000}, {0, 3000}};
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, 0);
    long sum = 0;
    for (int round = 0; alarms < 20 || round < 2000; round++) {
        int result = frequent(round % 40);
        if (round < 2000) sum += result;
    }
    memset(&often, 0, sizeof often);
    setitimer(ITIMER_REAL, &often, 0);
    SAY(sum);
}

// Code that calls what changes the instruction behind the call.
static unsigned char *page;
static NOINLINE void patch(void) {
    static int n;
    RARE;
    // Seldom enough for the code to be translated in between.
    if (++n % 4000 == 0) memcpy(page + 20, &n, 4);
}

static void patched_behind_a_call(void) {
    page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifdef __x86_64__
    // sub rsp, 8; movabs rax, patch; call rax; nop...; mov eax, N; add rsp, 8; ret
    static const unsigned char code[] = {0x48, 0x83, 0xec, 8, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0,
                                         0x90, 0x90, 0x90, 0xb8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 8, 0xc3};
    void (*target)(void) = patch;
    memcpy(page, code, sizeof code);
    memcpy(page + 6, &target, 8);
#else
    // sub esp, 12; mov eax, patch; call eax; nop...; mov eax, N; add esp, 12; ret
    static const unsigned char code[] = {0x83, 0xec, 12, 0xb8, 0, 0, 0, 0, 0xff, 0xd0, 0x90, 0x90, 0x90, 0x90,
                                         0x90, 0x90, 0x90, 0x90, 0x90, 0xb8, 0, 0, 0, 0, 0x83, 0xc4, 12, 0xc3};
    void (*target)(void) = patch;
    memcpy(page, code, sizeof code);
    memcpy(page + 4, &target, 4);
#endif
    int (*run)(void) = (int (*)(void))page;
    long wrong = 0;
    for (int i = 1; i <= 30000; i++) wrong += run() != i / 4000 * 4000;
    SAY(wrong);
}

MAIN(TEST(deep_recursion), TEST(jumping_out), TEST(between_engines), TEST(large_frames), TEST(other_stacks),
     TEST(signals_in_calls), TEST(patched_behind_a_call))
