// One kind of entry into the system, many times: GETPPID, READ (512 bytes) or FAULT (a page touched first).
#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t work(void) {
    uint32_t sum = 0;
#if defined GETPPID
    long parent = syscall(SYS_getppid);
    for (int i = 0; i < 40000; i++) sum += syscall(SYS_getppid) == parent;
#elif defined READ
    char buffer[512];
    int file = open("/dev/zero", O_RDONLY);
    for (int i = 0; i < 30000; i++) sum += (uint32_t)read(file, buffer, sizeof buffer);
    close(file);
#elif defined FAULT
    enum { BYTES = 16 << 20 };
    for (int round = 0; round < 2; round++) {
        char *memory = mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise(memory, BYTES, MADV_NOHUGEPAGE);
        for (unsigned at = 0; at < BYTES; at += 4096) memory[at] = 1, sum += (uint8_t)memory[at + 1] + 1;
        munmap(memory, BYTES);
    }
#endif
    return sum;
}
