// 4096 different functions, each called TIMES times, one after the other: what a large program's start is like.
#include "bench.h"

#define F(n) \
    static uint32_t NOINLINE f##n(uint32_t x, uint32_t *t) { \
        if (x & 1u << (0x##n & 31)) x = x * 0x##n##1u + t[0x##n & 63]; \
        else x ^= x >> (0x##n % 13 + 1); \
        t[x & 63] += x + 0x##n; \
        return x + t[0x##n >> 3 & 63]; \
    }
#define G(n) f##n,
#define SIXTEEN(M, n) M(n##0) M(n##1) M(n##2) M(n##3) M(n##4) M(n##5) M(n##6) M(n##7) M(n##8) M(n##9) M(n##a) M(n##b) M(n##c) M(n##d) M(n##e) M(n##f)
#define S(M, n) SIXTEEN(M, n)
#define ROW(M, n) S(M, n##0) S(M, n##1) S(M, n##2) S(M, n##3) S(M, n##4) S(M, n##5) S(M, n##6) S(M, n##7) S(M, n##8) S(M, n##9) S(M, n##a) S(M, n##b) S(M, n##c) S(M, n##d) S(M, n##e) S(M, n##f)
#define ALL(M) ROW(M, 0) ROW(M, 1) ROW(M, 2) ROW(M, 3) ROW(M, 4) ROW(M, 5) ROW(M, 6) ROW(M, 7) ROW(M, 8) ROW(M, 9) ROW(M, a) ROW(M, b) ROW(M, c) ROW(M, d) ROW(M, e) ROW(M, f)

ALL(F)

static uint32_t (*const volatile functions[])(uint32_t, uint32_t *) = {ALL(G)};

static uint32_t work(void) {
    uint32_t table[64] = {0}, sum = 1;
    for (int time = 0; time < TIMES; time++)
        for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++) sum = functions[i](sum, table);
    return sum;
}
