// Segments, descriptors, and traps of the processor that programs can bring about.
#include "cases.h"
#include <asm/ldt.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile int got, code, error;

static void handler(int signal, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    got = signal;
    code = info->si_code;
    error = uc->uc_mcontext.gregs[REG_ERR];
    siglongjmp(back, 1);
}

static void catch(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (unsigned i = 0; i < 5; i++)
        sigaction(signals[i], &action, 0);
}

#define TRY(name, ...)                                                          \
    do {                                                                        \
        if (!sigsetjmp(back, 1)) {                                              \
            __VA_ARGS__;                                                        \
            printf("%s: fine\n", name);                                         \
        } else {                                                                \
            printf("%s: signal %d code %d error %x\n", name, got, code, error); \
        }                                                                       \
    } while (0)

static long ldt(int function, void *data, unsigned long size) {
    return syscall(SYS_modify_ldt, function, data, size);
}

// Fills an entry; the bits of `struct user_desc` from seg_32bit up.
static long fill(int function, unsigned entry, unsigned base, unsigned limit, unsigned bits) {
    struct {
        unsigned entry, base, limit, bits;
    } desc = {entry, base, limit, bits};
    return ldt(function, &desc, sizeof desc);
}

#define SELECTOR(entry) ((entry) << 3 | 7)

static void show(unsigned selector) {
    unsigned rights = 0, limit = 0, readable, writable;
    unsigned char has_rights, has_limit;
    __asm__("lar %2, %0; setz %1" : "+r"(rights), "=q"(has_rights) : "r"(selector));
    __asm__("lsl %2, %0; setz %1" : "+r"(limit), "=q"(has_limit) : "r"(selector));
    __asm__("xorl %0, %0; verr %w1; setz %b0" : "=&q"(readable) : "r"(selector));
    __asm__("xorl %0, %0; verw %w1; setz %b0" : "=&q"(writable) : "r"(selector));
    if (selector == 0x7b)
        limit = 0;
    printf("%x: rights %d %x limit %d %x readable %u writable %u\n", selector, has_rights, rights, has_limit,
           limit, readable, writable);
}

static void table(void) {
    unsigned char buffer[64];
    SAY(ldt(0, buffer, sizeof buffer));
    SAY(fill(1, 0, 0x12345678, 0xfffff, 0x51));
    SAY(fill(0x11, 1, 0x9abcdef0, 0x123, 0x41));
    SAY(fill(0x11, 2, 0, 0xfffff, 0x15));
    SAY(fill(0x11, 3, 0, 0xfff, 0x03));
    SAY(fill(0x11, 4, 0, 0xfff, 0x28));
    SAY(fill(0x11, 5, 0, 0xfff, 0x09));
    SAY(fill(0x11, 6, 0, 0xfff, 0x07));
    SAY(fill(0x11, 7, 0, 0xfff, 0x2f));
    SAY(fill(0x11, 8192, 0, 0xfff, 1));
    SAY(ldt(0x11, buffer, 3));
    SAY(ldt(7, buffer, 3));
    memset(buffer, 0xee, sizeof buffer);
    SAY(ldt(2, buffer, 8));
    SAY(ldt(0, buffer, sizeof buffer));
    for (unsigned i = 0; i < sizeof buffer; i++)
        printf("%02x%s", buffer[i], i % 8 == 7 ? "\n" : "");
    SAY(fill(0x11, 1, 0, 0, 0x28));
    SAY(fill(1, 0, 0, 0, 1));
    for (unsigned i = 0; i < 9; i++)
        show(SELECTOR(i));
}

static void descriptors(void) {
    unsigned selectors[] = {0, 3, 0x10, 0x18, 0x20, 0x23, 0x2b, 0x2a, 0x33, 0x43, 0x63, 0x7b, 0x83, 7, 0xffff};
    for (unsigned i = 0; i < sizeof selectors / sizeof *selectors; i++)
        show(selectors[i]);
}

static void loads(void) {
    catch();
    fill(0x11, 0, 0, 0xfffff, 0x11);
    fill(0x11, 1, 0, 0xfffff, 0x31);
    fill(0x11, 2, 0, 0xfffff, 0x19);
    fill(0x11, 3, 0, 0xfffff, 0x1d);
    fill(0x11, 4, 0, 0xfffff, 0x15);
    unsigned values[] = {0, 3, 0x2b, 0x28, 0x23, 0x33, 0x10, 0x18, 0xfff3, 7, 4, 0xf, 0x17, 0x1f, 0x27, 0x2f};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        char name[32];
        sprintf(name, "es = %x", values[i]);
        TRY(name, __asm__ volatile("mov %w0, %%es" : : "r"(values[i])));
    }
    __asm__ volatile("mov %w0, %%es" : : "r"(0x2b));
    unsigned stacks[] = {0, 3, 0x28, 0x23, 0x10, 4, 0xf, 0x17, 0x1f};
    for (unsigned i = 0; i < sizeof stacks / sizeof *stacks; i++) {
        char name[32];
        sprintf(name, "ss = %x", stacks[i]);
        TRY(name, __asm__ volatile("mov %w0, %%ss" : : "r"(stacks[i])));
    }
}

static void traps(void) {
    catch();
    TRY("int1", __asm__ volatile(".byte 0xf1"));
    TRY("int3", __asm__ volatile("int3"));
    TRY("int 3", __asm__ volatile(".byte 0xcd, 3"));
    TRY("int 1", __asm__ volatile("int $1"));
    TRY("int 4", __asm__ volatile("int $4"));
    TRY("hlt", __asm__ volatile("hlt"));
    TRY("ud2", __asm__ volatile("ud2"));
#ifdef __i386__
    TRY("single step", __asm__ volatile("pushf; orl $0x100, (%%esp); popf; nop; nop" : : : "memory", "cc"));
    TRY("into", __asm__ volatile("movb $127, %%al; incb %%al; into" : : : "al", "cc"));
#else
    TRY("single step", __asm__ volatile("sub $128, %%rsp; pushf; orl $0x100, (%%rsp); popf; nop; nop"
                                        : : : "memory", "cc"));
#endif
}

#ifdef __i386__
static unsigned char data[8192] __attribute__((aligned(4096)));

static void limits(void) {
    catch();
    data[10] = 77;
    fill(0x11, 0, (unsigned)data, 15, 0x01);
    fill(0x11, 1, (unsigned)data, 15, 0x09);
    fill(0x11, 2, (unsigned)data, 15, 0x03);
    fill(0x11, 3, (unsigned)data, 0, 0x11);
    unsigned value = 0;
    for (unsigned entry = 0; entry < 4; entry++) {
        unsigned offsets[] = {0, 10, 12, 13, 15, 16, 4095, 4096};
        for (unsigned i = 0; i < 8; i++) {
            char name[64];
            sprintf(name, "entry %u read of four at %u", entry, offsets[i]);
            TRY(name, __asm__ volatile("mov %w1, %%fs; movl %%fs:(%2), %0; mov %w3, %%fs"
                                       : "=&r"(value) : "r"(SELECTOR(entry)), "r"(offsets[i]), "r"(0)));
            sprintf(name, "entry %u write of one at %u", entry, offsets[i]);
            TRY(name, __asm__ volatile("mov %w0, %%fs; movb $1, %%fs:(%1); mov %w2, %%fs"
                                       : : "r"(SELECTOR(entry)), "r"(offsets[i]), "r"(0) : "memory"));
        }
    }
    TRY("null", __asm__ volatile("mov %w1, %%fs; movl %%fs:(%2), %0" : "=&r"(value) : "r"(0), "r"(data)));
    memset(data, 0, 32);
    TRY("string", __asm__ volatile("push %%es; mov %w0, %%es; rep stosb; pop %%es"
                                   : : "r"(SELECTOR(0)), "D"(0), "c"(16), "a"(5) : "memory"));
    printf("%d %d\n", data[15], data[16]);
    TRY("long string", __asm__ volatile("mov %w0, %%es; rep stosb"
                                        : : "r"(SELECTOR(0)), "D"(8), "c"(16), "a"(6) : "memory"));
    __asm__ volatile("mov %w0, %%es" : : "r"(0x2b));
    printf("%d %d\n", data[15], data[16]);
}

// Code of 16 bits: mov ax, 0x1234; add ax, [bx] with DS as it is; far return.
static void narrow(void) {
    catch();
    static const unsigned char code16[] = {0xb8, 0x34, 0x12, 0x66, 0x05, 1, 0, 1, 0, 0x66, 0xcb};
    unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page + 0x100, code16, sizeof code16);
    fill(0x11, 0, (unsigned)page, 0xfff, 0x04);
    struct {
        unsigned offset;
        unsigned short selector;
    } __attribute__((packed)) target = {0x100, SELECTOR(0)};
    unsigned result = 0xdead0000;
    TRY("16-bit code", __asm__ volatile("lcall *%1" : "+a"(result) : "m"(target) : "memory", "cc"));
    printf("%x\n", result);
    target.offset = 0x1000;
    TRY("beyond its limit", __asm__ volatile("lcall *%0" : : "m"(target) : "memory", "cc"));
    // Into 64-bit code and back: mov rax, -1; shr rax, 4; ret far.
    static const unsigned char code64[] = {0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, 0x48, 0xc1, 0xe8, 4, 0xcb};
    memcpy(page, code64, sizeof code64);
    target.offset = (unsigned)page;
    target.selector = 0x33;
    TRY("64-bit code", __asm__ volatile("lcall *%1" : "=a"(result) : "m"(target) : "memory", "cc"));
    printf("%x\n", result);
}

MAIN(TEST(table), TEST(descriptors), TEST(loads), TEST(traps), TEST(limits), TEST(narrow))
#else
MAIN(TEST(table), TEST(descriptors), TEST(loads), TEST(traps))
#endif
