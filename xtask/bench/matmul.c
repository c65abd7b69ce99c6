// Product of matrices of doubles; with PACKED by rows, two elements at a time.
#include "bench.h"
#ifdef PACKED
#include <emmintrin.h>
#endif

enum { N = 128 };
static double a[N][N], b[N][N], c[N][N] __attribute__((aligned(16)));

static uint32_t work(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = i + 0.5 * j, b[i][j] = i - 0.25 * j, c[i][j] = 0;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < N; i++) {
#ifdef PACKED
            for (int k = 0; k < N; k++) {
                __m128d factor = _mm_set1_pd(a[i][k]);
                for (int j = 0; j < N; j += 2)
                    _mm_store_pd(&c[i][j], _mm_add_pd(_mm_load_pd(&c[i][j]), _mm_mul_pd(factor, _mm_load_pd(&b[k][j]))));
            }
#else
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
                c[i][j] += sum;
            }
#endif
        }
    uint64_t bits;
    memcpy(&bits, &c[N / 2][N / 3], sizeof bits);
    return (uint32_t)(bits ^ bits >> 32);
}
