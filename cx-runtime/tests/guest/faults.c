// Memory safety as on Linux: each case does something that the processor or the kernel refuses, in a child, and prints
// what the handler was told: signal, si_code, si_addr relative to what was touched, and what memory looks like after.
// Run natively and by the engine; both must print the same.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile sig_atomic_t got, code;
static char *volatile where;
static char *volatile pc;
static char alternate[65536];

static void handler(int signal, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    got = signal;
    code = info->si_code;
    where = info->si_addr;
#ifdef __i386__
    pc = (char *)uc->uc_mcontext.gregs[REG_EIP];
#else
    pc = (char *)uc->uc_mcontext.gregs[REG_RIP];
#endif
    siglongjmp(back, 1);
}

static char *two_pages(int first, int second) {
    char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 0x55, 8192);
    mprotect(p, 4096, first);
    mprotect(p + 4096, 4096, second);
    return p;
}

// `base` is what the address is told relative to; 0 prints the address itself.
#define CASE(name, base, ...)                                                                        \
    do {                                                                                             \
        got = code = 0;                                                                              \
        where = (char *)-1;                                                                          \
        if (!sigsetjmp(back, 1)) {                                                                   \
            __VA_ARGS__;                                                                             \
            printf("%s: nothing happened\n", name);                                                  \
        } else {                                                                                     \
            printf("%s: signal %d code %d at %ld\n", name, (int)got, (int)code,                      \
                   (long)(where - (char *)(base)));                                                  \
        }                                                                                            \
        fflush(stdout);                                                                              \
    } while (0)

static int deep(volatile int n) {
    volatile char room[4096];
    room[0] = n;
    return n + deep(n + 1) + room[0];
}

static void text_target(void) { __asm__ volatile("nop"); }
static void (*volatile null_function)(void);
static int (*volatile deep_function)(int) = (int (*)(int))deep;

int main(void) {
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, 0);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
    volatile int zero = 0, one = 1;
    volatile int least = -2147483647 - 1, minus = -1;

    CASE("null read", 0, (void)*(volatile int *)zero);
    CASE("null write", 0, *(volatile int *)(intptr_t)zero = 1);
    CASE("null call", 0, null_function());
    CASE("read of an unmapped page", 0, (void)*(volatile char *)0x10000);
    CASE("write to text", text_target, *(volatile char *)text_target = 1);
    CASE("write to a string", "constant", *(volatile char *)(intptr_t) "constant" = 1);
    CASE("stack overflow is a fault", where, deep_function(1));
    printf("  near the stack: %d\n", (char *)&zero - where > 1000000 || where - (char *)&zero > 1000000);

    char *p = two_pages(PROT_READ | PROT_WRITE, PROT_NONE);
    CASE("store across a guard page, 8 bytes", p + 4096, *(volatile double *)(p + 4092) = 1.5);
    CASE("store across a guard page, 4 bytes", p + 4096, *(volatile int *)(p + 4094) = 1);
    CASE("store across a guard page, 2 bytes", p + 4096, *(volatile short *)(p + 4095) = 1);
    printf("  before the guard: %02x %02x %02x %02x\n", p[4092] & 255, p[4093] & 255, p[4094] & 255, p[4095] & 255);
    CASE("read-modify-write across a guard page", p + 4096, *(volatile int *)(p + 4093) += 7);
    printf("  before the guard: %02x %02x %02x\n", p[4093] & 255, p[4094] & 255, p[4095] & 255);
    CASE("memset into a guard page", p + 4096, memset(p + 4000, 1, 200));
    CASE("read across a guard page", p + 4096, (void)*(volatile int *)(p + 4095));
    p = two_pages(PROT_READ, PROT_READ | PROT_WRITE);
    CASE("store from a read-only page into a writable one", p + 4094, *(volatile int *)(p + 4094) = 1);
    printf("  after the boundary: %02x %02x\n", p[4096] & 255, p[4097] & 255);
    p = two_pages(PROT_NONE, PROT_NONE);
    CASE("PROT_NONE", p, (void)*(volatile char *)(p + 5));
    munmap(p, 4096);
    CASE("after munmap", p, (void)*(volatile char *)(p + 5));

    p = two_pages(PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE);
    p[0] = (char)0xc3;
    CASE("execution of data", p, ((void (*)(void))p)());
    static char data_code[] = {(char)0xc3};
    CASE("execution of .data", data_code, ((void (*)(void))data_code)());
    volatile char stack_code[16] = {(char)0xc3};
    CASE("execution of the stack", stack_code, ((void (*)(void))stack_code)());
    mprotect(p, 4096, PROT_READ | PROT_EXEC);
    CASE("execution after mprotect", p, ((void (*)(void))p)(); printf("  returned\n"));

    CASE("divide by zero", pc, zero = one / zero);
    CASE("remainder by zero", pc, zero = one % zero);
    CASE("quotient too large", pc, zero = least / minus);
    zero = 0;
    CASE("undefined instruction", pc, __asm__ volatile("ud2"));
    CASE("privileged instruction", 0, __asm__ volatile("hlt"));
    CASE("cli", 0, __asm__ volatile("cli"));
    CASE("in", 0, __asm__ volatile("inb $0x80, %%al" ::: "eax"));
    CASE("breakpoint", 0, __asm__ volatile("int3"));
    CASE("another interrupt", 0, __asm__ volatile("int $0x50"));
    CASE("load of a bad selector", 0, __asm__ volatile("mov %0, %%fs" ::"r"(0xfff8)));
#ifdef __i386__
    CASE("bound", 0, int range[2] = {0, 3}; __asm__ volatile("bound %0, %1" ::"r"(5), "m"(*range)));
    CASE("into", 0, __asm__ volatile("movb $0x7f, %%al; addb $1, %%al; into" ::: "eax", "cc"));
#endif
    CASE("single step", 0,
         __asm__ volatile("pushf; orl $0x100, (%%"
#ifdef __i386__
                          "esp"
#else
                          "rsp"
#endif
                          "); popf; nop; nop" ::: "cc", "memory"));

    unsigned short control = 0x0340;
    CASE("x87 division by zero, unmasked", pc,
         __asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait; fstp %%st(0)" ::"m"(control) : "st"));
    __asm__ volatile("fninit");
    unsigned mxcsr = 0x0000;
    CASE("SSE division by zero, unmasked", pc,
         __asm__ volatile("ldmxcsr %0; xorps %%xmm0, %%xmm0; movl $1, %%eax; cvtsi2ss %%eax, %%xmm1; divss %%xmm0, %%xmm1"
                          ::"m"(mxcsr) : "xmm0", "xmm1", "eax"));
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));

    char name[] = "/tmp/faultsXXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (ftruncate(fd, 100)) return 1;
    p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    p[99] = 'x';
    CASE("past the end of a mapped file", p, (void)*(volatile char *)(p + 4096));
    if (ftruncate(fd, 0)) return 1;
    CASE("a page that was truncated away", p, (void)*(volatile char *)p);

    // A system call given bad memory says EFAULT, and transfers nothing.
    errno = 0;
    long n = write(1, (void *)0x10, 5);
    printf("write from nowhere: %ld %s\n", n, strerror(errno));
    int ends[2];
    if (pipe(ends) || write(ends[1], "abcdef", 6) != 6) return 1;
    p = two_pages(PROT_READ | PROT_WRITE, PROT_NONE);
    errno = 0;
    n = read(ends[0], (void *)0x10, 3);
    printf("read into nowhere: %ld %s\n", n, strerror(errno));

    // What a child dies of, as its parent sees it.
    fflush(stdout);
    for (int how = 0; how < 5; how++) {
        pid_t child = fork();
        if (!child) {
            for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], SIG_DFL);
            if (how == 0) *(volatile int *)(intptr_t)zero = 1;
            if (how == 1) zero = one / zero;
            if (how == 2) __asm__ volatile("ud2");
            if (how == 3) abort();
            if (how == 4) raise(SIGKILL);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        printf("child %d: signalled %d by %d\n", how, WIFSIGNALED(status), WTERMSIG(status));
        fflush(stdout);
    }
    // A handler that cannot be given a stack ends the program.
    pid_t child = fork();
    if (!child) {
        stack_t off = {.ss_flags = SS_DISABLE};
        sigaltstack(&off, 0);
        deep_function(1);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("overflow without an alternate stack: %d\n", WTERMSIG(status));
    return 0;
}
