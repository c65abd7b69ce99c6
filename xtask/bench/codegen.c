// Code made at run time: a new function each round, or with PATCH one function whose immediate changes.
#define _GNU_SOURCE
#include "bench.h"
#include <sys/mman.h>

#ifdef PATCH
enum { ROUNDS = 6000, CALLS = 10 };
#else
enum { ROUNDS = 1500, CALLS = 10, LENGTH = 40 };
#endif

static uint32_t work(void) {
    uint8_t *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t seed = 11, sum = 0;
    uint32_t (*volatile function)(void) = (uint32_t(*)(void))(uintptr_t)page;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t *at = page;
        uint32_t value = next_random(&seed);
#ifdef PATCH
        if (round == 0) {
            *at++ = 0xb8; // mov eax, imm32
            at += 4;
            *at++ = 0xc3; // ret
        }
        memcpy(page + 1, &value, 4);
#else
        *at++ = 0xb8;
        memcpy(at, &value, 4);
        at += 4;
        for (int i = 0; i < LENGTH; i++) {
            *at++ = value >> i % 29 & 1 ? 0x05 : 0x35; // add eax, imm32; xor eax, imm32
            memcpy(at, &seed, 4);
            at += 4;
        }
        *at++ = 0xc3;
#endif
        for (int i = 0; i < CALLS; i++) sum = sum * 3 + function();
    }
    munmap(page, 4096);
    return sum;
}
