// Walks a linked list in an order that no prefetcher follows.
#include "bench.h"

enum { N = 1 << 15 };
static struct node {
    struct node *next;
    uint32_t value;
} nodes[N];

static uint32_t work(void) {
    static uint32_t order[N];
    uint32_t seed = 3, sum = 0;
    for (uint32_t i = 0; i < N; i++) order[i] = i;
    for (uint32_t i = N - 1; i > 0; i--) {
        uint32_t j = (uint32_t)((uint64_t)next_random(&seed) * i >> 32), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (uint32_t i = 0; i < N; i++) nodes[order[i]] = (struct node){&nodes[order[(i + 1) % N]], i};
    const struct node *node = nodes;
    for (int i = 0; i < 24 * N; i++, node = node->next) sum += node->value ^ (uint32_t)i;
    return sum;
}
