// Primes below a bound: byte stores with a stride, branches that predict.
#include "bench.h"

static unsigned char composite[1 << 20];

static uint32_t work(void) {
    uint32_t count = 0;
    for (int round = 0; round < 4; round++) {
        memset(composite, 0, sizeof composite);
        for (uint32_t i = 2; i < sizeof composite; i++) {
            if (composite[i]) continue;
            count++;
            if (i < 1024)
                for (uint32_t j = i * i; j < sizeof composite; j += i) composite[j] = 1;
        }
    }
    return count;
}
