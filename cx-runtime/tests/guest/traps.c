// What signal frames tell of exceptions, and the state that handlers begin with.
#include "cases.h"
#include <ucontext.h>

#ifdef __i386__
#define TRAPNO REG_TRAPNO
#define ERROR REG_ERR
#define CR2(u) ((u)->uc_mcontext.cr2)
#define IP REG_EIP
#else
#define TRAPNO REG_TRAPNO
#define ERROR REG_ERR
#define CR2(u) ((unsigned long)(u)->uc_mcontext.gregs[REG_CR2])
#define IP REG_RIP
#endif

static sigjmp_buf back;
static char *area; // Three pages: read-only, writable, without access.
enum { PAGE = 4096 };

static void tell(int signal, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    long *gregs = (long *)u->uc_mcontext.gregs;
    // Addresses differ from run to run: those of the area count from its start.
    long where = (char *)CR2(u) - area;
    printf("signal %d code %d trapno %ld err %lx cr2 %ld\n", signal, info->si_code, gregs[TRAPNO], gregs[ERROR],
           where >= -PAGE && where < 4 * PAGE ? where : CR2(u) < PAGE ? (long)CR2(u) : -1);
    siglongjmp(back, 1);
}

static void catch_all(void) {
    area = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    area[0] = area[PAGE] = (char)0xc3;
    mprotect(area, PAGE, PROT_READ);
    mprotect(area + 2 * PAGE, PAGE, PROT_NONE);
    struct sigaction action = {.sa_sigaction = tell, .sa_flags = SA_SIGINFO};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR1};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, 0);
}

#define TRAP(...)                          \
    do {                                   \
        printf("%s: ", #__VA_ARGS__);      \
        if (!sigsetjmp(back, 1)) {         \
            __VA_ARGS__;                   \
            puts("nothing");               \
        }                                  \
    } while (0)

static void exceptions(void) {
    catch_all();
    volatile char *p = area;
    TRAP(raise(SIGUSR1));
    TRAP(__asm__ volatile("ud2"));
    TRAP(raise(SIGUSR1));
    TRAP((void)*(volatile char *)0x10);
    TRAP(*(volatile char *)0x20 = 1);
    TRAP(((void (*)(void))0x30)());
    TRAP(p[5] = 1);
    TRAP((void)p[2 * PAGE + 7]);
    TRAP(p[2 * PAGE + 7] = 1);
    TRAP(((void (*)(void))p)());
    TRAP(((void (*)(void))(p + PAGE))());
    TRAP(((void (*)(void))(p + 2 * PAGE))());
    TRAP(raise(SIGUSR1));
    TRAP(__asm__ volatile("xor %%edx, %%edx; divl %0" ::"r"(0) : "eax", "edx", "cc"));
    TRAP(__asm__ volatile("int3"));
    TRAP(__asm__ volatile("hlt"));
    TRAP(__asm__ volatile("int $0x81"));
    TRAP(__asm__ volatile("movaps 1(%0), %%xmm0" ::"r"((long)p & -16) : "xmm0"));
    TRAP(__asm__ volatile("mov %0, %%fs" ::"r"(0xfff8)));
    TRAP(__asm__ volatile("fldcw %0; fldz; fldz; fdivrp; fwait" ::"m"((short){0x0000})));
    __asm__ volatile("fninit");
    TRAP(__asm__ volatile("ldmxcsr %0; divss %1, %1" ::"m"((int){0}), "x"(0.0f)));
    __asm__ volatile("ldmxcsr %0" ::"m"((int){0x1f80}));
    TRAP(raise(SIGUSR1));
#ifdef __i386__
    TRAP(__asm__ volatile("mov $0x7fffffff, %%eax; add $1, %%eax; into" ::: "eax", "cc"));
    TRAP(__asm__ volatile("bound %0, %1" ::"r"(5), "m"((long long){0x0000000300000001})));
#else
    TRAP((void)*(volatile char *)0x800000000000);
    TRAP(__asm__ volatile("mov (%0), %%al" ::"r"(0x0123456789abcdef) : "rax"));
#endif
}

static void step(int signal, siginfo_t *info, void *context) {
    (void)signal;
    ucontext_t *u = context;
    long *gregs = (long *)u->uc_mcontext.gregs;
    static int steps;
    if (++steps == 5) gregs[REG_EFL] &= ~0x100;
    printf("step code %d trapno %ld bytes %02x\n", info->si_code, gregs[TRAPNO], *(unsigned char *)gregs[IP]);
}

static void single_steps(void) {
    struct sigaction action = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, 0);
    int out = 0;
#ifdef __i386__
    __asm__ volatile("pushf; orl $0x100, (%%esp); popf; nop; inc %0; add $5, %0; clc; stc; cmc; nop" : "+r"(out)::"cc");
#else
    __asm__ volatile("lea -256(%%rsp), %%rsp; pushf; orq $0x100, (%%rsp); popf; nop; inc %0; add $5, %0; clc; stc; cmc; nop;"
                     "lea 256(%%rsp), %%rsp"
                     : "+r"(out)::"cc");
#endif
    printf("out %d\n", out);
}

static unsigned seen_mxcsr;
static unsigned char seen_xmm[16], seen_control[2];
static void look(int signal) {
    (void)signal;
    __asm__ volatile("movups %%xmm5, %0; stmxcsr %1; fnstcw %2" : "=m"(seen_xmm), "=m"(seen_mxcsr), "=m"(seen_control));
}

// Handlers begin with the state of a fresh program, and what they do to it ends with them.
static void entry(void) {
    signal(SIGUSR1, look);
    int pid = getpid();
    unsigned mxcsr = 0x7f80, after = 0;
    unsigned short control = 0x0c7f, control_after = 0;
    unsigned char ones[16], xmm[16];
    memset(ones, 0x11, sizeof ones);
    __asm__ volatile("ldmxcsr %0; fldcw %1; movups %2, %%xmm5" ::"m"(mxcsr), "m"(control), "m"(ones) : "xmm5");
#ifdef __i386__
    __asm__ volatile("int $0x80" : : "a"(SYS_kill), "b"(pid), "c"(SIGUSR1) : "memory");
#else
    __asm__ volatile("syscall" : : "a"((long)SYS_kill), "D"((long)pid), "S"((long)SIGUSR1) : "rcx", "r11", "memory");
#endif
    __asm__ volatile("movups %%xmm5, %0; stmxcsr %1; fnstcw %2" : "=m"(xmm), "=m"(after), "=m"(control_after));
    __asm__ volatile("fninit; ldmxcsr %0" ::"m"((int){0x1f80}));
    printf("in the handler: xmm5 %02x mxcsr %x control %02x%02x\n", seen_xmm[3], seen_mxcsr, seen_control[1],
           seen_control[0]);
    printf("after it: xmm5 %02x mxcsr %x control %04x\n", xmm[3], after, control_after);
}

#ifdef __i386__
#define FLAGS() __builtin_ia32_readeflags_u32()
#define SET_FLAGS(to) __builtin_ia32_writeeflags_u32(to)
#else
#define FLAGS() __builtin_ia32_readeflags_u64()
#define SET_FLAGS(to) __builtin_ia32_writeeflags_u64(to)
#endif
enum { AC = 0x40000 };

static void tell_alignment(int signal, siginfo_t *info, void *context) {
    // The library does not care where it reads.
    int checked = FLAGS() & AC;
    SET_FLAGS(FLAGS() & ~AC);
    ucontext_t *u = context;
    long *gregs = (long *)u->uc_mcontext.gregs;
    printf("signal %d code %d addr %s trapno %ld err %lx AC before %d in the handler %d\n", signal, info->si_code,
           info->si_addr ? "some" : "none", gregs[TRAPNO], gregs[ERROR], !!(gregs[REG_EFL] & AC), !!checked);
    siglongjmp(back, 1);
}

// One instruction with alignment checked.
#define ALIGNED(text, ...)                                                                        \
    do {                                                                                          \
        printf("%s: ", text);                                                                     \
        if (!sigsetjmp(back, 1)) {                                                                \
            SET_FLAGS(FLAGS() | AC);                                                              \
            __asm__ volatile(text : : __VA_ARGS__ : "eax", "xmm0", "memory", "cc");               \
            int kept = FLAGS() & AC;                                                              \
            SET_FLAGS(FLAGS() & ~AC);                                                             \
            printf("AC %d\n", !!kept);                                                            \
        }                                                                                         \
    } while (0)

static int seen_checked;
static void note_alignment(int signal) {
    (void)signal;
    seen_checked = FLAGS() & AC;
    SET_FLAGS(FLAGS() & ~AC);
}

// EFLAGS.AC: unaligned accesses are exceptions; system calls and handlers leave it on.
static void alignment(void) {
    struct sigaction action = {.sa_sigaction = tell_alignment, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, 0);
    sigaction(SIGSEGV, &action, 0);
    char *area = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(area + PAGE, PAGE);
    char *end = area + PAGE;
    ALIGNED("movl (%0), %%eax", "r"(area));
    ALIGNED("movl 2(%0), %%eax", "r"(area));
    ALIGNED("movw 2(%0), %%ax", "r"(area));
    ALIGNED("movw 3(%0), %%ax", "r"(area));
    ALIGNED("movb 3(%0), %%al", "r"(area));
    ALIGNED("movl %%eax, 1(%0)", "r"(area));
    ALIGNED("addl %%eax, 5(%0)", "r"(area));
    ALIGNED("lock; addl %%eax, 8(%0)", "r"(area));
    ALIGNED("movups 1(%0), %%xmm0", "r"(area));
    ALIGNED("movaps 4(%0), %%xmm0", "r"(area));
    ALIGNED("movsd 4(%0), %%xmm0", "r"(area));
    ALIGNED("movss 4(%0), %%xmm0", "r"(area));
    ALIGNED("fxsave 16(%0)", "r"(area));
    ALIGNED("fxsave 18(%0)", "r"(area));
    ALIGNED("fxsave 20(%0)", "r"(area));
    ALIGNED("fldl 4(%0); fstpl 8(%0)", "r"(area));
    ALIGNED("fldt 16(%0); fstpt 8(%0)", "r"(area));
    ALIGNED("movl -2(%0), %%eax", "r"(end));
    ALIGNED("movl (%0), %%eax", "r"(end));
    ALIGNED("movl 1(%0), %%eax", "r"(end));

    int pid = getpid();
    signal(SIGUSR1, note_alignment);
    // The structure lies where the system may write, not the program.
    SET_FLAGS(FLAGS() | AC);
#ifdef __i386__
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(SYS_clock_gettime), "b"(CLOCK_MONOTONIC), "c"(area + 1) : "memory");
    int after = FLAGS() & AC;
    __asm__ volatile("int $0x80" : : "a"(SYS_kill), "b"(pid), "c"(SIGUSR1) : "memory");
#else
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"((long)SYS_clock_gettime), "D"((long)CLOCK_MONOTONIC), "S"(area + 1)
                     : "rcx", "r11", "memory");
    int after = FLAGS() & AC;
    __asm__ volatile("syscall" : : "a"((long)SYS_kill), "D"((long)pid), "S"((long)SIGUSR1) : "rcx", "r11", "memory");
#endif
    int later = FLAGS() & AC;
    SET_FLAGS(FLAGS() & ~AC);
    printf("system call %ld: AC after it %d, in a handler %d, after it %d\n", result, !!after, !!seen_checked, !!later);
    int status;
    pid_t child;
    IN_CHILD(child) {
        signal(SIGBUS, SIG_DFL);
        SET_FLAGS(FLAGS() | AC);
        __asm__ volatile("movl 1(%0), %%eax" : : "r"(area) : "eax");
    }
    status = wait_for(child);
    say_status("without a handler", status);
}

MAIN(TEST(exceptions), TEST(single_steps), TEST(entry), TEST(alignment))
