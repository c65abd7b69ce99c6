// qsort of integers: indirect calls and unpredictable branches.
#include <stdio.h>
#include <stdlib.h>

static int compare(const void *x, const void *y) {
    int a = *(const int *)x, b = *(const int *)y;
    return (a > b) - (a < b);
}

int main(void) {
    enum { N = 200000 };
    int *values = malloc(N * sizeof *values);
    unsigned seed = 1;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (int)(seed >> 4);
    }
    qsort(values, N, sizeof *values, compare);
    printf("%d %d\n", values[0], values[N / 2]);
    free(values);
    return 0;
}
