// i386 system calls: `int 0x80` with the structures of 32-bit programs, in programs of either width.
#include "cases.h"
#include <sys/resource.h>
#include <sys/utsname.h>

// The sixth argument, for EBP.
static long sixth __asm__("sixth") __attribute__((used));

static long call6(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    sixth = f;
#ifdef __i386__
    __asm__ volatile("push %%ebp; mov sixth, %%ebp; int $0x80; pop %%ebp"
#else
    __asm__ volatile("lea -128(%%rsp), %%rsp; push %%rbp; mov sixth(%%rip), %%rbp; int $0x80; pop %%rbp;"
                     "lea 128(%%rsp), %%rsp"
#endif
                     : "=a"(result)
                     : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "memory", "cc");
    return result;
}

#define CALL(number, a, b, c, d) call6(number, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

// Numbers of arch/x86/entry/syscalls/syscall_32.tbl.
enum {
    I386_FORK = 2, I386_WRITE = 4, I386_CLOSE = 6, I386_EXECVE = 11, I386_LSEEK = 19, I386_GETPID = 20, I386_KILL = 37,
    I386_PIPE = 42, I386_TIMES = 43, I386_BRK = 45, I386_SYSINFO = 116, I386_SOCKETCALL = 102, I386_WAIT4 = 114,
    I386_SETITIMER = 104, I386_GETITIMER = 105, I386_UNAME = 122, I386_GETDENTS = 141, I386_SELECT = 142,
    I386_READV = 145, I386_WRITEV = 146, I386_NANOSLEEP = 162, I386_RT_SIGACTION = 174, I386_RT_SIGPROCMASK = 175,
    I386_RT_SIGPENDING = 176, I386_RT_SIGTIMEDWAIT = 177, I386_SIGALTSTACK = 186, I386_UGETRLIMIT = 191,
    I386_MMAP2 = 192, I386_STAT64 = 195, I386_FSTAT64 = 197, I386_FCNTL64 = 221, I386_STATFS64 = 268,
    I386_CLOCK_GETTIME = 265, I386_GETTIMEOFDAY = 78, I386_GET_ROBUST_LIST = 312, I386_UTIMENSAT = 320,
    I386_PRLIMIT64 = 340, I386_ARCH_PRCTL = 384, I386_CLOCK_GETTIME64 = 403, I386_MODIFY_LDT = 123,
};

// Memory that 32 bits reach, filled so that what is written shows.
static unsigned char *low;
enum { LOW = 1 << 16 };

static void fresh(void) {
    if (!low)
        low = mmap(0, LOW, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    memset(low, 0xee, LOW);
}

static uint32_t word(int at) {
    uint32_t value;
    memcpy(&value, low + at, sizeof value);
    return value;
}

static void put(int at, uint32_t value) {
    memcpy(low + at, &value, sizeof value);
}

// How many bytes a call wrote: up to the first two words that are as before.
static int written(void) {
    int at = 0;
    while (word(at) != 0xeeeeeeee || word(at + 4) != 0xeeeeeeee)
        at += 4;
    return at;
}

// What a call gave, and how much it wrote.
static void tell(const char *what, long result) {
    printf("%s %ld bytes %d\n", what, result, written());
}

static void values(void) {
    fresh();
    printf("getpid %d\n", CALL(I386_GETPID, 0, 0, 0, 0) == getpid());
    printf("close %lx\n", CALL(I386_CLOSE, -1, 0, 0, 0));
    printf("no call %lx\n", CALL(9999, 0, 0, 0, 0));
    printf("a 64-bit number %d\n", CALL((long)0x100000014LL, 0, 0, 0, 0) == getpid());
    strcpy((char *)low, "written\n");
    fflush(stdout);
    printf("write %ld\n", CALL(I386_WRITE, 1, low, 8, 0));
    printf("brk %d\n", CALL(I386_BRK, 0, 0, 0, 0) == (long)sbrk(0));
    printf("modify_ldt %lx\n", CALL(I386_MODIFY_LDT, 0x11, low, 3, 0));
    printf("arch_prctl %ld\n", CALL(I386_ARCH_PRCTL, 0x1003, low, 0, 0));
    long at = call6(I386_MMAP2, 0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("mmap2 %d\n", at > 0 ? at < 1L << 31 || sizeof at == 8 : sizeof at == 4 && at < -4096);
    printf("below 4 GiB %d\n", sizeof at == 4 || !((unsigned long long)at >> 32));
    *(volatile char *)at = 1;
    memset(low, 0xee, LOW);
    printf("uname %ld", CALL(I386_UNAME, low, 0, 0, 0));
    printf(" bytes %d same machine ", 390 <= written() + 8);
    struct utsname own;
    uname(&own);
    printf("%d\n", !strcmp(own.machine, (char *)low + 65 * 4));
}

static void files(void) {
    fresh();
    int fd = open("compat-file", O_RDWR | O_CREAT | O_TRUNC, 0640);
    write(fd, "0123456789", 10);
    struct stat native;
    fstat(fd, &native);
    tell("fstat64", CALL(I386_FSTAT64, fd, low, 0, 0));
    printf("mode %o links %u size %u mtime %d inode %d\n", word(16), word(20), word(44),
           word(72) == (uint32_t)native.st_mtime, word(88) == (uint32_t)native.st_ino);
    strcpy((char *)low + 256, "compat-file");
    memset(low, 0xee, 200);
    printf("stat64 %ld", CALL(I386_STAT64, low + 256, low, 0, 0));
    printf(" size %u\n", word(44));
    printf("lseek %ld\n", CALL(I386_LSEEK, fd, -4, SEEK_END, 0));
    put(0, (uint32_t)(long)(low + 64));
    put(4, 2);
    put(8, (uint32_t)(long)(low + 80));
    put(12, 9);
    printf("readv %ld", CALL(I386_READV, fd, low, 2, 0));
    printf(" %.2s %.2s\n", low + 64, low + 80);
    printf("writev %ld\n", CALL(I386_WRITEV, fd, low, 2, 0));
    put(12, -5);
    printf("negative length %ld\n", CALL(I386_READV, fd, low, 2, 0));
    // struct flock64: 16-bit type and whence, then packed to 4 bytes.
    fresh();
    put(0, F_RDLCK);
    put(4, 3), put(8, 0), put(12, 4), put(16, 0);
    printf("F_SETLK64 %ld\n", CALL(I386_FCNTL64, fd, 13, low, 0));
    pid_t child;
    IN_CHILD(child) {
        put(0, F_WRLCK);
        put(4, 0), put(8, 0), put(12, 0), put(16, 0);
        printf("F_GETLK64 %ld", CALL(I386_FCNTL64, fd, 12, low, 0));
        printf(" type %u start %u length %u pid %d\n", word(0) & 0xffff, word(4), word(12), (int)word(20) == getppid());
    }
    wait_for(child);
    fresh();
    strcpy((char *)low + 512, "/proc");
    tell("statfs64", CALL(I386_STATFS64, low + 512, 84, low, 0));
    printf("type %x\n", word(0));
    mkdir("compat-folder", 0755);
    int folder = open("compat-folder", O_RDONLY | O_DIRECTORY);
    fresh();
    long got = CALL(I386_GETDENTS, folder, low, 512, 0);
    printf("getdents %ld lengths %u %u\n", got, word(8) & 0xffff, word((word(8) & 0xffff) + 8) & 0xffff);
    fresh();
    put(0, 1000), put(4, 5), put(8, 2000), put(12, 6);
    printf("utimensat %ld", CALL(I386_UTIMENSAT, fd, 0, low, 0));
    fstat(fd, &native);
    printf(" %ld %ld\n", (long)native.st_atim.tv_sec, native.st_mtim.tv_nsec);
    printf("pipe %ld", CALL(I386_PIPE, low, 0, 0, 0));
    printf(" %d\n", word(4) == word(0) + 1);
    unlink("compat-file");
    rmdir("compat-folder");
}

static void times(void) {
    fresh();
    tell("clock_gettime", CALL(I386_CLOCK_GETTIME, CLOCK_REALTIME, low, 0, 0));
    printf("near %d\n", (uint32_t)(time(0) - word(0)) < 3);
    fresh();
    tell("clock_gettime64", CALL(I386_CLOCK_GETTIME64, CLOCK_REALTIME, low, 0, 0));
    fresh();
    tell("gettimeofday", CALL(I386_GETTIMEOFDAY, low, 0, 0, 0));
    fresh();
    // Ticks since some time in the past, which may be none.
    tell("times", CALL(I386_TIMES, low, 0, 0, 0) != -EFAULT);
    fresh();
    tell("sysinfo", CALL(I386_SYSINFO, low, 0, 0, 0));
    fresh();
    put(0, 0), put(4, 2000000);
    long before = now_ms();
    printf("nanosleep %ld", CALL(I386_NANOSLEEP, low, 0, 0, 0));
    printf(" slept %d\n", now_ms() - before >= 2);
    put(4, 1000000000);
    printf("too many nanoseconds %ld\n", CALL(I386_NANOSLEEP, low, 0, 0, 0));
    put(0, 0), put(4, 0), put(8, 1000), put(12, 0);
    printf("setitimer %ld\n", CALL(I386_SETITIMER, ITIMER_REAL, low, 0, 0));
    fresh();
    tell("getitimer", CALL(I386_GETITIMER, ITIMER_REAL, low, 0, 0));
    printf("seconds %d\n", word(8) >= 990 && word(8) <= 1000);
    // old_select is 82; this one has five arguments: sets of 32-bit words, a 32-bit timeval.
    int gate[2];
    pipe(gate);
    release(gate);
    fresh();
    put(0, 1u << gate[0]), put(32, 5), put(36, 0);
    printf("select %ld", call6(I386_SELECT, gate[0] + 1, (long)low, 0, 0, (long)(low + 32), 0));
    printf(" set %d time left %d\n", word(0) == 1u << gate[0], word(32) == 4 || word(32) == 5);
}

static void limits(void) {
    fresh();
    struct rlimit limit = {100, 200};
    setrlimit(RLIMIT_NOFILE, &limit);
    tell("getrlimit", CALL(I386_UGETRLIMIT, RLIMIT_NOFILE, low, 0, 0));
    printf("%u %u\n", word(0), word(4));
    fresh();
    printf("of files %ld", CALL(I386_UGETRLIMIT, RLIMIT_FSIZE, low, 0, 0));
    printf(" %d\n", word(4) == 0xffffffff);
    fresh();
    tell("prlimit64", CALL(I386_PRLIMIT64, 0, RLIMIT_NOFILE, 0, low));
    printf("%u\n", word(0));
    fresh();
    printf("get_robust_list %ld", CALL(I386_GET_ROBUST_LIST, 0, low, low + 16, 0));
    printf(" %d %u\n", sizeof(long) == 4 ? 0 : word(0), word(16));
}

static void children(void) {
    fresh();
    fflush(stdout);
    long child = CALL(I386_FORK, 0, 0, 0, 0);
    if (!child) {
        strcpy((char *)low + 256, "/bin/echo");
        strcpy((char *)low + 272, "from a 32-bit array");
        strcpy((char *)low + 300, "A=b");
        put(0, (uint32_t)(long)(low + 256)), put(4, (uint32_t)(long)(low + 272)), put(8, 0);
        put(12, (uint32_t)(long)(low + 300)), put(16, 0);
        long result = CALL(I386_EXECVE, low + 256, low, low + 12, 0);
        printf("execve %ld\n", result);
        _exit(1);
    }
    fresh();
    put(200, 77);
    printf("wait4 %d", CALL(I386_WAIT4, child, low + 200, 0, low) == child);
    printf(" status %x usage %d\n", word(200), written());
}

static void sockets(void) {
    fresh();
    // socketcall(SOCK_SOCKETPAIR): AF_UNIX, SOCK_DGRAM, 0, where.
    put(0, AF_UNIX), put(4, SOCK_DGRAM), put(8, 0), put(12, (uint32_t)(long)(low + 32));
    printf("socketpair %ld\n", CALL(I386_SOCKETCALL, 8, low, 0, 0));
    int one = word(32), two = word(36);
    // struct msghdr: name, its length, vectors, how many, control, its length, flags.
    put(128, 0), put(132, 0), put(136, (uint32_t)(long)(low + 160)), put(140, 1);
    put(144, (uint32_t)(long)(low + 192)), put(148, 16), put(152, 0);
    put(160, (uint32_t)(long)(low + 256)), put(164, 5);
    put(192, 16), put(196, SOL_SOCKET), put(200, SCM_RIGHTS), put(204, 1);
    memcpy(low + 256, "hello", 5);
    put(0, one), put(4, (uint32_t)(long)(low + 128)), put(8, 0);
    printf("sendmsg %ld\n", CALL(I386_SOCKETCALL, 16, low, 0, 0));
    memset(low + 192, 0xee, 300);
    put(164, 100);
    put(148, 64);
    put(0, two);
    printf("recvmsg %ld", CALL(I386_SOCKETCALL, 17, low, 0, 0));
    printf(" %.5s control %u: %u %u %u, a descriptor %d\n", low + 256, word(148), word(192), word(196), word(200),
           fcntl(word(204), F_GETFD) == 0);
}

static volatile int handled;
static void count(int signal) {
    handled = signal;
}

static void signals(void) {
    fresh();
    sigset_t set;
    sigemptyset(&set);
    put(0, 1u << (SIGUSR1 - 1)), put(4, 0);
    printf("rt_sigprocmask %ld", CALL(I386_RT_SIGPROCMASK, SIG_BLOCK, low, low + 16, 8));
    printf(" old %u %u\n", word(16), word(20));
    kill(getpid(), SIGUSR1);
    printf("rt_sigpending %ld", CALL(I386_RT_SIGPENDING, low + 32, 8, 0, 0));
    printf(" %x\n", word(32));
    memset(low + 64, 0xee, 256);
    printf("rt_sigtimedwait %ld", CALL(I386_RT_SIGTIMEDWAIT, low, low + 64, 0, 8));
    printf(" signal %u code %d pid %d\n", word(64), (int)word(72), word(76) == (uint32_t)getpid());
    fresh();
    printf("sigaltstack %ld", CALL(I386_SIGALTSTACK, 0, low, 0, 0));
    printf(" bytes %d flags %u\n", written(), word(4));
    // A handler of the program's own width interrupts an i386 call, and ends with the call's error.
    struct sigaction action = {.sa_handler = count};
    sigaction(SIGALRM, &action, 0);
    pid_t child;
    IN_CHILD(child) {
        put(0, 1000), put(4, 0);
        printf("interrupted %ld", CALL(I386_NANOSLEEP, low, low + 16, 0, 0));
        printf(" by %d, left %d\n", handled, word(16) > 900 && word(16) <= 1000);
    }
    until_asleep(child);
    kill(child, SIGALRM);
    say_status("interrupted", wait_for(child));
    // The call goes on after a stop.
    IN_CHILD(child) {
        put(0, 0), put(4, 300000000);
        printf("stopped and continued %ld\n", CALL(I386_NANOSLEEP, low, 0, 0, 0));
    }
    until_asleep(child);
    kill(child, SIGSTOP);
    int status;
    waitpid(child, &status, WUNTRACED);
    kill(child, SIGCONT);
    say_status("sleeper", wait_for(child));
}

#ifdef __x86_64__
// Runs code on a stack that 32 bits reach, and gives what it leaves in RAX.
static long on_low_stack(const void *code) {
    long result;
    __asm__ volatile("mov %%rsp, %%r12; lea 0x8000(%2), %%rsp; call *%1; mov %%r12, %%rsp"
                     : "=a"(result)
                     : "S"(code), "D"(low)
                     : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    return result;
}

// 32-bit code makes the same calls, and what it gets ends at 32 bits.
static void narrow(void) {
    fresh();
    // Far call through low+0x200 and return; there: mov eax, 6 (close); mov ebx, -1; int 0x80; retf.
    static const unsigned char wide[] = {0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x9f, 0, 2, 0, 0, 0xc3};
    static const unsigned char code[] = {0xb8, 6, 0, 0, 0, 0xbb, 0xff, 0xff, 0xff, 0xff, 0xcd, 0x80, 0xcb};
    memcpy(low, wide, sizeof wide);
    memcpy(low + 0x100, code, sizeof code);
    put(0x200, (uint32_t)(long)(low + 0x100));
    put(0x204, 0x23);
    long result;
    __asm__ volatile("mov %%rsp, %%r12; lea 0x8000(%1), %%rsp; lcall *0x200(%1); mov %%r12, %%rsp"
                     : "=a"(result)
                     : "D"(low)
                     : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    printf("close %x\n", (unsigned)result);
}

// A handler set by an i386 call is 32-bit code and gets a 32-bit frame, whatever it interrupts.
static void handlers(void) {
    fresh();
    // mov eax, [esp+4]; mov [low+0x400], eax; mov eax, [esp+8]; mov eax, [eax+8]; mov [low+0x404], eax (si_code);
    // mov eax, [esp+12]; movzx eax, word [eax+20+60]; mov [low+0x408], eax (CS); mov [low+0x40c], cs; ret
    unsigned char handler[] = {0x8b, 0x44, 0x24, 4,    0xa3, 0, 0, 0, 0,    0x8b, 0x44, 0x24, 8,    0x8b, 0x40, 8,
                               0xa3, 0,    0,    0, 0, 0x8b, 0x44, 0x24, 12, 0x0f, 0xb7, 0x40, 80,   0xa3, 0,    0,
                               0,    0,    0x8c, 0x0d, 0, 0, 0, 0,    0xc3};
    uint32_t base = (uint32_t)(long)low;
    uint32_t places[] = {base + 0x400, base + 0x404, base + 0x408, base + 0x40c};
    memcpy(handler + 5, &places[0], 4);
    memcpy(handler + 17, &places[1], 4);
    memcpy(handler + 30, &places[2], 4);
    memcpy(handler + 36, &places[3], 4);
    memcpy(low, handler, sizeof handler);
    // mov eax, 173 (rt_sigreturn); int 0x80
    static const unsigned char back[] = {0xb8, 173, 0, 0, 0, 0xcd, 0x80};
    memcpy(low + 0x80, back, sizeof back);
    // struct sigaction: handler, flags, restorer, mask.
    put(0x300, base), put(0x304, SA_SIGINFO | 0x04000000), put(0x308, base + 0x80), put(0x30c, 0), put(0x310, 0);
    printf("rt_sigaction %ld\n", CALL(I386_RT_SIGACTION, SIGUSR2, low + 0x300, 0, 8));
    // mov eax, 37 (kill); mov ebx, pid; mov ecx, SIGUSR2; int 0x80; ret
    unsigned char send[] = {0xb8, 37, 0, 0, 0, 0xbb, 0, 0, 0, 0, 0xb9, SIGUSR2, 0, 0, 0, 0xcd, 0x80, 0xc3};
    int pid = getpid();
    memcpy(send + 6, &pid, 4);
    memcpy(low + 0x500, send, sizeof send);
    put(0x40c, 0);
    printf("kill %ld\n", on_low_stack(low + 0x500));
    printf("signal %u code %d interrupted %x in %x\n", word(0x400), (int)word(0x404), word(0x408), word(0x40c) & 0xffff);
    // Set by the program's own call again, it is 64-bit code.
    signal(SIGUSR2, count);
    printf("kill %ld", CALL(I386_KILL, pid, SIGUSR2, 0, 0));
    printf(" handled %d\n", handled);
}

MAIN(TEST(values), TEST(files), TEST(times), TEST(limits), TEST(children), TEST(sockets), TEST(signals), TEST(narrow),
     TEST(handlers))
#else
MAIN(TEST(values), TEST(files), TEST(times), TEST(limits), TEST(children), TEST(sockets), TEST(signals))
#endif
