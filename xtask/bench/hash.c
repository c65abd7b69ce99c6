// A rolling hash over bytes: multiplications, shifts, 64-bit arithmetic in 32-bit code.
#include <stdint.h>
#include <stdio.h>

int main(void) {
    static uint8_t text[1 << 16];
    for (unsigned i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * 31 + (i >> 8));
    uint64_t hash = 14695981039346656037u;
    for (int round = 0; round < 40; round++)
        for (unsigned i = 0; i < sizeof text; i++) {
            hash ^= text[i];
            hash *= 1099511628211u;
            hash = (hash << 7) | (hash >> 57);
        }
    printf("%016llx\n", (unsigned long long)hash);
    return 0;
}
