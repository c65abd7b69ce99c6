// The C library's memory and string functions, in the form its own dispatch chooses.
#include "bench.h"

static uint32_t work(void) {
    static char a[1 << 16], b[1 << 16];
    uint32_t sum = 0;
    for (unsigned i = 0; i < sizeof a - 1; i++) a[i] = (char)('a' + i * 7 % 23);
    for (int round = 0; round < 240; round++) {
        for (unsigned at = 0; at < 60000; at += 1009) {
            unsigned len = at % 700 + 20;
            memcpy(b + at, a + at, len);
            b[at + len] = 0;
            sum += strlen(b + at);
            sum += (uint32_t)(strchr(b + at, 'z' + 1) == 0);
            sum += (uint32_t)(memchr(a + at, 1, len) == 0);
            sum += (uint32_t)(memcmp(a + at, b + at, len) == 0);
            sum += (uint32_t)(strncmp(a + at, b + at, len) == 0);
            memmove(b + at + 3, b + at, len / 2);
            memset(b + at, round, len / 3);
        }
        memcpy(b, a, sizeof a);
    }
    return sum + (uint8_t)b[1234];
}
