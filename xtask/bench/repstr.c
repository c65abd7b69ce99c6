// The processor's own string instructions.
#include "bench.h"

static void *rep_movs(void *to, const void *from, size_t words) {
    void *end = to;
    __asm__ volatile("rep movsl" : "+D"(end), "+S"(from), "+c"(words) : : "memory");
    return end;
}

static void rep_stos(void *to, uint32_t value, size_t words) {
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(value) : "memory");
}

static size_t repne_scas(const void *in, uint8_t byte, size_t bytes) {
    const void *at = in;
    __asm__ volatile("repne scasb" : "+D"(at), "+c"(bytes) : "a"(byte) : "memory", "cc");
    return (size_t)((const char *)at - (const char *)in);
}

static uint32_t work(void) {
    static uint32_t a[1 << 14], b[1 << 14];
    uint32_t sum = 0;
    for (int round = 0; round < 900; round++) {
        rep_stos(a, 0x01010101u * (1 + round % 7), 1 << 14);
        rep_movs(b, a, 1 << 14);
        ((uint8_t *)b)[5000] = 99;
        for (int i = 0; i < 4; i++) sum += repne_scas(b, 99, sizeof b) + b[round];
    }
    return sum;
}
