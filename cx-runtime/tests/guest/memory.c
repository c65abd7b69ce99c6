// Memory: mappings of every kind, brk, protection, files seen through both ways.
#include "cases.h"
#include <sys/mman.h>
#include <sys/param.h>

#define PAGE 4096
static char *map(size_t size, int prot, int flags, int fd, off_t at) {
    char *p = mmap(0, size, prot, flags, fd, at);
    return p == MAP_FAILED ? (errno ? (char *)-1 : 0) : p;
}
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
static int file_of(const char *name, int pages) {
    int f = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    char page[PAGE];
    for (int i = 0; i < pages; i++) {
        memset(page, 'a' + i, PAGE);
        write(f, page, PAGE);
    }
    return f;
}
static void peek(const char *what, int f, off_t at) {
    char c = '?';
    pread(f, &c, 1, at);
    printf("%s: %c\n", what, c ? c : '0');
}
#define FAULTS(statement)                   \
    ({                                      \
        fflush(stdout);                     \
        pid_t p_ = fork();                  \
        if (!p_) {                          \
            signal(SIGSEGV, SIG_DFL);       \
            signal(SIGBUS, SIG_DFL);        \
            statement;                      \
            _exit(0);                       \
        }                                   \
        int s_ = wait_for(p_);              \
        WIFSIGNALED(s_) ? WTERMSIG(s_) : 0; \
    })

static void shared_files(void) {
    int f = file_of("f", 3);
    char *s = map(3 * PAGE, RW, MAP_SHARED, f, 0), *p = map(3 * PAGE, RW, MAP_PRIVATE, f, 0),
         *t = map(PAGE, RW, MAP_SHARED, f, PAGE);
    s[0] = 'S';
    peek("store is read", f, 0);
    pwrite(f, "W", 1, 1);
    printf("write is seen %c %c\n", s[1], p[1]);
    p[2] = 'P';
    peek("private store is not read", f, 2);
    printf("nor seen %c\n", s[2]);
    pwrite(f, "X", 1, 3);
    printf("a written page of the private mapping keeps its own: %c %c\n", s[3],
           p[3] == 'X' || p[3] == 'a' ? '*' : '?');
    t[5] = 'T';
    printf("two mappings of a page %c\n", s[PAGE + 5]);
    pid_t c;
    IN_CHILD (c) {
        s[10] = 'C';
        p[10] = 'C';
    }
    wait_for(c);
    printf("child's store %c %c\n", s[10], p[10]);
    SAY(msync(s, PAGE, MS_SYNC));
    SAY(msync(s + 1, PAGE, MS_SYNC));
    SAY(msync(s, PAGE, 77));
    SAY(msync((void *)0x1000, PAGE, MS_SYNC));
    close(f);
    s[20] = 'Z';
    f = open("f", O_RDWR);
    peek("after close", f, 20);
    SAY(ftruncate(f, PAGE + 100));
    printf("beyond the end %c %d\n", s[PAGE + 99], s[PAGE + 100]);
    printf("page beyond: %d\n", FAULTS((void)*(volatile char *)(s + 2 * PAGE)));
    SAY(ftruncate(f, 3 * PAGE));
    printf("grown again %d\n", s[2 * PAGE]);
    s[PAGE + 200] = 'q';
    SAY(ftruncate(f, PAGE + 150));
    SAY(ftruncate(f, 2 * PAGE));
    printf("cut data is gone %d\n", s[PAGE + 200]);
    munmap(s, 3 * PAGE);
    peek("after munmap", f, 10);
    unlink("f");
    t[0] = 'U';
    peek("unlinked", f, PAGE);
    int r = open("ro", O_RDONLY | O_CREAT, 0600);
    SAY(map(PAGE, RW, MAP_SHARED, r, 0));
    SAY(map(PAGE, RW, MAP_PRIVATE, r, 0) != (char *)-1);
    int w = open("ro", O_WRONLY);
    SAY(map(PAGE, PROT_READ, MAP_PRIVATE, w, 0));
    SAY(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED ? -1 : 0);
    int d = open("/", O_RDONLY);
    SAY(map(PAGE, PROT_READ, MAP_PRIVATE, d, 0));
    SAY(map(PAGE, PROT_READ, MAP_PRIVATE, f, 100));
    SAY(map(0, PROT_READ, MAP_PRIVATE, f, 0));
    SAY(map(PAGE, PROT_READ, 0, f, 0));
    char *m = map(PAGE, PROT_READ, MAP_SHARED, r, 0);
    SAY(mprotect(m, PAGE, RW));
    int big = open("big", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(big, 1 << 20);
    char *b = map(1 << 20, RW, MAP_SHARED, big, 0);
    for (int i = 0; i < 256; i++)
        b[i * PAGE] = (char)i;
    long sum = 0;
    char block[PAGE];
    while (read(big, block, PAGE) == PAGE)
        sum += (unsigned char)block[0];
    printf("sum %ld\n", sum);
    // Reading a file into its own mapping, and writing from it.
    SAY(pread(big, b + 8, 100, 4));
    SAY(pwrite(big, b, PAGE, PAGE));
    printf("%d\n", memcmp(b, b + PAGE, PAGE));
    SAY(MAX(0, (long)sizeof block - PAGE));
}

static void anonymous(void) {
    char *p = map(8 * PAGE, RW, ANON, -1, 0);
    long sum = 0;
    for (int i = 0; i < 8 * PAGE; i++)
        sum += p[i];
    printf("zero %ld\n", sum);
    memset(p, 1, 8 * PAGE);
    SAY(munmap(p + 2 * PAGE, PAGE));
    printf("hole: %d %d %d\n", p[PAGE], FAULTS((void)*(volatile char *)(p + 2 * PAGE)), p[3 * PAGE]);
    SAY(munmap(p, 8 * PAGE));
    SAY(munmap(p, PAGE));
    SAY(munmap(p + 1, PAGE));
    SAY(munmap(p, 0));
    p = map(4 * PAGE, RW, ANON, -1, 0);
    memset(p, 7, 4 * PAGE);
    SAY(madvise(p + PAGE, PAGE, MADV_DONTNEED));
    printf("dontneed %d %d %d\n", p[0], p[PAGE], p[2 * PAGE]);
    SAY(madvise(p + 1, PAGE, MADV_DONTNEED));
    SAY(madvise(p, PAGE, 9999));
    SAY(madvise(p, 4 * PAGE, MADV_WILLNEED));
    SAY(madvise(p, PAGE, MADV_FREE));
    munmap(p + PAGE, PAGE);
    SAY(madvise(p, 4 * PAGE, MADV_DONTNEED));
    printf("with a hole %d %d\n", p[0], p[3 * PAGE]);
    int f = file_of("g", 2);
    char *q = map(2 * PAGE, RW, MAP_PRIVATE, f, 0);
    q[0] = 'x';
    madvise(q, PAGE, MADV_DONTNEED);
    printf("file again %c\n", q[0]);
    p = map(PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p[0] = 9;
    madvise(p, PAGE, MADV_DONTNEED);
    printf("shared stays %d\n", p[0]);
    p = map(PAGE, PROT_NONE, ANON, -1, 0);
    printf("none %d\n", FAULTS((void)*(volatile char *)p));
    SAY(mprotect(p, PAGE, PROT_READ));
    printf("read %d %d\n", FAULTS((void)*(volatile char *)p), FAULTS(*(volatile char *)p = 1));
    SAY(mprotect(p, PAGE, RW));
    *p = 1;
    SAY(mprotect(p + 1, PAGE, RW));
    SAY(mprotect(p, PAGE, 0x777));
    SAY(mprotect((void *)0x10000, PAGE, RW));
    SAY(mprotect(p, 0, RW));
    p = map(1 << 28, RW, ANON | MAP_NORESERVE, -1, 0);
    p[0] = p[(1 << 28) - 1] = 3;
    printf("large %d\n", p[1 << 27]);
    unsigned char vec[4];
    SAY(mincore(p, PAGE, vec));
    printf("%d\n", vec[0] & 1);
    SAY(mincore(p, 4 * PAGE, vec));
    SAY(mincore(p + 1, PAGE, vec));
    SAY(mlock(p, PAGE));
    SAY(munlock(p, PAGE));
    SAY(mlockall(MCL_CURRENT | 99));
    SAY(munlockall());
}

static void fixed(void) {
    char *p = map(8 * PAGE, RW, ANON, -1, 0);
    memset(p, 5, 8 * PAGE);
    char *q = mmap(p + 2 * PAGE, 2 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
    printf("%d %d %d %d\n", q == p + 2 * PAGE, p[PAGE], q[0], p[4 * PAGE]);
    q = mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    printf("%s\n", q == MAP_FAILED ? strerrorname_np(errno) : "mapped");
    munmap(p + 6 * PAGE, PAGE);
    q = mmap(p + 6 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    printf("%d\n", q == p + 6 * PAGE);
    q = mmap(p + PAGE, PAGE, RW, ANON, -1, 0);
    printf("a hint that is taken: %d\n", q != p + PAGE && q != MAP_FAILED);
    q = mmap(p + PAGE + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    printf("%s\n", q == MAP_FAILED ? strerrorname_np(errno) : "mapped");
    q = mmap((void *)(uintptr_t)-PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    printf("%s\n", q == MAP_FAILED ? strerrorname_np(errno) : "mapped");
    q = mmap(0, (size_t)-1, RW, ANON, -1, 0);
    printf("%s\n", q == MAP_FAILED ? strerrorname_np(errno) : "mapped");
    p = map(2 * PAGE, RW, ANON, -1, 0);
    p[0] = 1;
    p[PAGE] = 2;
    q = mremap(p, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    printf("grown %d %d %d\n", q[0], q[PAGE], q[63 * PAGE]);
    p = mremap(q, 64 * PAGE, PAGE, 0);
    printf("shrunk in place %d %d\n", p == q, FAULTS((void)*(volatile char *)(q + PAGE)));
    char *r = map(4 * PAGE, RW, ANON, -1, 0);
    q = mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r);
    printf("moved %d %d old %d\n", q == r, q[0], FAULTS((void)*(volatile char *)p));
    q = mremap((void *)PAGE, PAGE, PAGE * 2, MREMAP_MAYMOVE);
    printf("%s\n", q == MAP_FAILED ? strerrorname_np(errno) : "?");
    q = mremap(r, PAGE, 0, 0);
    printf("%s\n", q == MAP_FAILED ? strerrorname_np(errno) : "?");
    q = mremap(r + 1, PAGE, PAGE, 0);
    printf("%s\n", q == MAP_FAILED ? strerrorname_np(errno) : "?");
    int f = file_of("h", 4);
    p = map(2 * PAGE, RW, MAP_SHARED, f, PAGE);
    q = mremap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    printf("file %c %c\n", q[0], q[2 * PAGE]);
    q[0] = '!';
    peek("through the moved mapping", f, PAGE);
    p = map(2 * PAGE, RW, ANON, -1, 0);
    munmap(p + PAGE, PAGE);
    mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    q = mremap(p, PAGE, 2 * PAGE, 0);
    printf("no room: %s\n", q == MAP_FAILED ? strerrorname_np(errno) : "grown");
    p = map(PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p[0] = 'd';
    q = mremap(p, 0, PAGE, MREMAP_MAYMOVE);
    printf("a second view %d %c\n", q != p, q[0]);
    q[0] = 'e';
    printf("%c\n", p[0]);
    void *stack_grows = mmap(0, 16 * PAGE, RW, ANON | MAP_STACK | MAP_GROWSDOWN, -1, 0);
    printf("%d\n", stack_grows != MAP_FAILED);
}

static void breaks(void) {
    char *start = sbrk(0);
    printf("aligned start %d\n", start != (char *)-1);
    char *p = sbrk(100000);
    printf("%d\n", p == start);
    memset(p, 1, 100000);
    printf("%d\n", (char *)sbrk(0) == start + 100000);
    sbrk(-50000);
    printf("%d\n", (char *)sbrk(0) == start + 50000);
    p = sbrk(50000);
    printf("%d\n", p == start + 50000);
    for (int i = 0, n = 0; i < 50000; i++)
        if (p[i] && i > PAGE) {
            n++;
            printf("not zero\n");
            break;
        }
    SAY(brk(start));
    SAY(brk((void *)PAGE));
    printf("%d\n", (char *)sbrk(0) == start);
    SAY((long)sbrk((intptr_t)1 << 30) == -1 ? -1 : 0);
    brk(start);
    printf("after: %d\n", FAULTS(*(volatile char *)(start + 10 * PAGE) = 1));
    char *a = malloc(1 << 20), *b = malloc(1 << 20);
    memset(a, 2, 1 << 20);
    memset(b, 3, 1 << 20);
    a = realloc(a, 1 << 22);
    printf("%d %d %d\n", a[0], a[(1 << 20) - 1], b[100]);
    free(a);
    free(b);
    void *all[100];
    for (int i = 0; i < 100; i++)
        all[i] = malloc(100000 + i * 1000);
    for (int i = 0; i < 100; i += 2)
        free(all[i]);
    for (int i = 0; i < 100; i += 2)
        all[i] = malloc(5000);
    for (int i = 0; i < 100; i++)
        free(all[i]);
    puts("malloc");
}

typedef int (*function)(void);
static void code(void) {
    unsigned char *p = mmap(0, PAGE, RW | PROT_EXEC, ANON, -1, 0);
    unsigned char ret[] = {0xb8, 1, 0, 0, 0, 0xc3};
    memcpy(p, ret, 6);
    printf("made %d\n", ((function)p)());
    int sum = 0;
    for (int i = 0; i < 200; i++) {
        p[1] = (unsigned char)i;
        sum += ((function)p)();
    }
    printf("changed two hundred times %d\n", sum);
    int f = open("code", O_RDWR | O_CREAT | O_TRUNC, 0700);
    write(f, ret, 6);
    unsigned char *q = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, f, 0);
    printf("mapped %d\n", ((function)q)());
    pwrite(f, "\x2a", 1, 1);
    printf("written through the file %d\n", ((function)q)());
    unsigned char *w = mmap(0, PAGE, RW, MAP_SHARED, f, 0);
    w[1] = 77;
    printf("written through another mapping %d\n", ((function)q)());
    pid_t c;
    IN_CHILD (c) {
        w[1] = 99;
    }
    wait_for(c);
    printf("written by a child %d\n", ((function)q)());
    mprotect(p, PAGE, PROT_READ | PROT_EXEC);
    p = mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    printf("moved %d\n", ((function)p)());
    munmap(q, PAGE);
    mmap(q, PAGE, RW | PROT_EXEC, ANON | MAP_FIXED, -1, 0);
    memcpy(q, "\xb8\x05\0\0\0\xc3", 6);
    printf("another at the place %d\n", ((function)q)());
    char buffer[6] = "\xb8\x09\0\0\0\xc3";
    int ends[2];
    pipe(ends);
    write(ends[1], buffer, 6);
    read(ends[0], q, 6);
    printf("read over it %d\n", ((function)q)());
    IN_CHILD (c) {
        q[1] = 50;
        printf("child %d\n", ((function)q)());
    }
    wait_for(c);
    printf("parent %d\n", ((function)q)());
    q[10] = 0xc3;
    memcpy(q, "\xc6\x05\0\0\0\0\xc3", 7);
    puts("done");
}

static void others(void) {
    int f = memfd_create("name", MFD_ALLOW_SEALING);
    SAY(ftruncate(f, 2 * PAGE));
    char *p = map(2 * PAGE, RW, MAP_SHARED, f, 0);
    p[0] = 'm';
    peek("memfd", f, 0);
    char link[64] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", f);
    char name[64] = "";
    readlink(link, name, 63);
    puts(name);
    SAY(fcntl(f, F_GET_SEALS));
    munmap(p, 2 * PAGE);
    SAY(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
    SAY(write(f, "x", 1));
    SAY(ftruncate(f, 0));
    SAY(ftruncate(f, 3 * PAGE));
    SAY(map(PAGE, RW, MAP_SHARED, f, 0));
    SAY(fcntl(f, F_ADD_SEALS, F_SEAL_SEAL));
    SAY(fcntl(f, F_ADD_SEALS, F_SEAL_GROW));
    f = open("punched", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 4; i++) {
        char page[PAGE];
        memset(page, 'p', PAGE);
        write(f, page, PAGE);
    }
    SAY(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
    peek("hole", f, PAGE);
    peek("after", f, 2 * PAGE);
    SAY(fallocate(f, 0, 0, 10 * PAGE));
    struct stat st;
    fstat(f, &st);
    printf("%ld\n", (long)st.st_size);
    SAY(lseek(f, 0, SEEK_HOLE) >= PAGE);
    SAY(lseek(f, 100 * PAGE, SEEK_DATA));
    int z = open("/dev/zero", O_RDWR);
    p = map(PAGE, RW, MAP_PRIVATE, z, 0);
    printf("zero %d\n", p[0]);
    p[0] = 1;
    pid_t c;
    IN_CHILD (c) {
        p[0] = 2;
    }
    wait_for(c);
    printf("%d\n", p[0]);
    p = map(PAGE, RW, MAP_SHARED, z, 0);
    p[0] = 1;
    IN_CHILD (c) {
        p[0] = 2;
    }
    wait_for(c);
    printf("%d\n", p[0]);
    int n = open("/dev/null", O_RDWR);
    SAY(map(PAGE, PROT_READ, MAP_PRIVATE, n, 0));
    int ends[2];
    pipe(ends);
    SAY(map(PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0));
    struct iovec local = {link, 10}, remote = {name, 10};
    SAY(syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0));
    char here[32] = "";
    int mem = open("/proc/self/mem", O_RDWR);
    SAY(pread(mem, here, 6, (off_t)(uintptr_t) "memory"));
    puts(here);
    SAY(pwrite(mem, "M", 1, (off_t)(uintptr_t)here));
    puts(here);
    SAY(pread(mem, here, 6, 16));
    SAY(syscall(SYS_membarrier, 0, 0) >= 0);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[256];
    int stacks = 0, heaps = 0;
    while (fgets(line, sizeof line, maps)) {
        stacks += strstr(line, "[stack]") != 0;
        heaps += strstr(line, "[heap]") != 0;
    }
    printf("stack %d heap %d\n", stacks, heaps);
}

static void many(void) {
    char *p[300];
    for (int i = 0; i < 300; i++) {
        p[i] = map(3 * PAGE, RW, ANON, -1, 0);
        p[i][0] = (char)i;
        p[i][2 * PAGE] = (char)~i;
    }
    for (int i = 0; i < 300; i++)
        munmap(p[i] + PAGE, PAGE);
    int bad = 0;
    for (int i = 0; i < 300; i++)
        bad += p[i][0] != (char)i || p[i][2 * PAGE] != (char)~i;
    printf("bad %d\n", bad);
    for (int i = 0; i < 300; i += 2) {
        munmap(p[i], PAGE);
        munmap(p[i] + 2 * PAGE, PAGE);
    }
    for (int i = 1; i < 300; i += 2)
        bad += p[i][0] != (char)i;
    printf("bad %d\n", bad);
    char *big = map(4096 * PAGE, RW, ANON, -1, 0);
    for (int i = 0; i < 4096; i++)
        big[i * PAGE] = (char)(i * 7);
    pid_t c;
    IN_CHILD (c) {
        for (int i = 0; i < 4096; i += 3)
            big[i * PAGE]++;
        int n = 0;
        for (int i = 0; i < 4096; i++)
            n += big[i * PAGE] == (char)(i * 7);
        _exit(n == 2730 ? 1 : 2);
    }
    for (int i = 0; i < 4096; i += 5)
        big[i * PAGE]--;
    say_status("copied on write", wait_for(c));
    int n = 0;
    for (int i = 0; i < 4096; i++)
        n += big[i * PAGE] == (char)(i * 7);
    printf("%d\n", n);
    for (int i = 0; i < 4096; i += 2)
        mprotect(big + i * PAGE, PAGE, PROT_READ);
    printf("striped %d %d\n", FAULTS(*(volatile char *)big = 1), FAULTS(*(volatile char *)(big + PAGE) = 1));
    mprotect(big, 4096 * PAGE, RW);
    big[0] = 1;
    puts("joined");
}
MAIN(TEST(shared_files), TEST(anonymous), TEST(fixed), TEST(breaks), TEST(code), TEST(others), TEST(many))
