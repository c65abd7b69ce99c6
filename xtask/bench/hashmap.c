// A chained hash map of strings, each entry from malloc: pointers, short string functions, the allocator.
#include "bench.h"

enum { BUCKETS = 1 << 12, KEYS = 20000 };
static struct entry {
    struct entry *next;
    char *key;
    uint32_t count;
} *buckets[BUCKETS];

static struct entry **NOINLINE find(const char *key) {
    uint32_t hash = 2166136261u;
    for (const char *c = key; *c; c++) hash = (hash ^ (uint8_t)*c) * 16777619u;
    struct entry **place = &buckets[hash % BUCKETS];
    while (*place && strcmp((*place)->key, key) != 0) place = &(*place)->next;
    return place;
}

static void NOINLINE name(char *key, uint32_t number) {
    *key++ = 'k';
    do *key++ = (char)('a' + number % 26);
    while (number /= 26);
    *key = 0;
}

static uint32_t work(void) {
    uint32_t seed = 5, sum = 0;
    char key[16];
    for (int i = 0; i < 3 * KEYS; i++) {
        name(key, next_random(&seed) % KEYS);
        struct entry **place = find(key);
        if (!*place) {
            *place = malloc(sizeof **place);
            **place = (struct entry){0, strdup(key), 0};
        }
        (*place)->count += (uint32_t)i;
    }
    for (int i = 0; i < BUCKETS; i++)
        while (buckets[i]) {
            struct entry *gone = buckets[i];
            buckets[i] = gone->next;
            sum = sum * 31 + gone->count;
            free(gone->key);
            free(gone);
        }
    return sum;
}
