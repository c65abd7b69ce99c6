// Quicksort of integers: compares and branches that do not predict.
#include "bench.h"

enum { N = 150000 };
static int32_t values[N];

static void NOINLINE sort(int32_t *low, int32_t *high) {
    while (high - low > 12) {
        int32_t pivot = low[(high - low) / 2], *i = low, *j = high;
        for (;;) {
            while (*i < pivot) i++;
            while (*j > pivot) j--;
            if (i >= j) break;
            int32_t swap = *i;
            *i++ = *j;
            *j-- = swap;
        }
        sort(low, j);
        low = j + 1;
    }
    for (int32_t *i = low + 1; i <= high; i++) {
        int32_t value = *i, *j = i;
        for (; j > low && j[-1] > value; j--) *j = j[-1];
        *j = value;
    }
}

static uint32_t work(void) {
    uint32_t seed = 1, sum = 0;
    for (int i = 0; i < N; i++) values[i] = (int32_t)next_random(&seed);
    sort(values, values + N - 1);
    for (int i = 1; i < N; i++) {
        if (values[i - 1] > values[i]) return 0;
        sum = sum * 31 + (uint32_t)values[i];
    }
    return sum;
}
