// What small processors are measured by, in turns: a list that is searched and sorted, products of small matrices, a machine of states
// that reads numbers, and a cyclic redundancy check over the results of each.
#include "bench.h"

enum { ITEMS = 64, SIDE = 16, TEXT = 700, ROUNDS = 60 };

struct item {
    struct item *next;
    int16_t key, place;
};

static uint16_t crc16(uint32_t value, uint16_t crc) {
    for (int bit = 0; bit < 32; bit++, value >>= 1) {
        uint16_t low = (crc ^ value) & 1;
        crc >>= 1;
        if (low) crc ^= 0xa001;
    }
    return crc;
}

typedef int (*order)(const struct item *, const struct item *);
static int by_key(const struct item *a, const struct item *b) { return a->key - b->key; }
static int by_place(const struct item *a, const struct item *b) { return a->place - b->place; }

static NOINLINE struct item *sorted(struct item *list, order compare) {
    if (!list || !list->next) return list;
    struct item *slow = list, *fast = list->next;
    while (fast && fast->next) slow = slow->next, fast = fast->next->next;
    struct item *other = slow->next, *result = NULL, **end = &result;
    slow->next = NULL;
    list = sorted(list, compare);
    other = sorted(other, compare);
    while (list && other) {
        struct item **from = compare(list, other) <= 0 ? &list : &other;
        *end = *from;
        end = &(*from)->next;
        *from = (*from)->next;
    }
    *end = list ? list : other;
    return result;
}

static NOINLINE struct item *found(struct item *list, int16_t key) {
    while (list && (list->key & 0xff) != key) list = list->next;
    return list;
}

static NOINLINE uint16_t lists(uint32_t *seed, uint16_t crc) {
    static struct item items[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        struct item *next = i + 1 < ITEMS ? &items[i + 1] : NULL;
        items[i] = (struct item){next, (int16_t)(next_random(seed) >> 20), (int16_t)i};
    }
    struct item *list = items;
    for (int16_t key = 0; key < 48; key++) {
        struct item *item = found(list, key);
        if (item && item->next) {
            // What was found goes behind the first.
            struct item *moved = item->next;
            item->next = moved->next;
            moved->next = list->next;
            list->next = moved;
            crc = crc16((uint16_t)moved->key, crc);
        }
    }
    list = sorted(list, by_key);
    crc = crc16((uint16_t)list->key, crc);
    list = sorted(list, by_place);
    for (struct item *item = list; item; item = item->next) crc = crc16((uint16_t)item->key, crc);
    return crc;
}

static NOINLINE uint16_t matrices(uint32_t *seed, uint16_t crc) {
    static int16_t a[SIDE][SIDE], b[SIDE][SIDE];
    static int32_t c[SIDE][SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) {
        a[i / SIDE][i % SIDE] = (int16_t)(next_random(seed) >> 24);
        b[i / SIDE][i % SIDE] = (int16_t)(next_random(seed) >> 22);
    }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t sum = 0;
            for (int k = 0; k < SIDE; k++) {
                int32_t product = a[i][k] * b[k][j];
                sum += (product >> 2 & 0xf) * (product >> 5 & 0x7f) + product;
            }
            c[i][j] = sum;
        }
    int32_t clipped = 0, last = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        int32_t now = c[i / SIDE][i % SIDE];
        clipped += now > last ? 10 : now & 7;
        last = now;
    }
    return crc16((uint32_t)clipped, crc);
}

enum state { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, SIGNED, SCIENTIFIC, INVALID, STATES };

static NOINLINE enum state next_state(enum state state, char c) {
    int digit = c >= '0' && c <= '9';
    switch (state) {
    case START: return digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
    case SIGN: return digit ? INTEGER : c == '.' ? POINT : INVALID;
    case INTEGER: return digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case POINT: return digit ? FRACTION : INVALID;
    case FRACTION: return digit ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case EXPONENT: return digit ? SCIENTIFIC : c == '+' || c == '-' ? SIGNED : INVALID;
    case SIGNED: return digit ? SCIENTIFIC : INVALID;
    case SCIENTIFIC: return digit ? SCIENTIFIC : INVALID;
    default: return INVALID;
    }
}

static NOINLINE uint16_t states(uint32_t *seed, uint16_t crc) {
    static const char *const words[] = {"5012", "-874", "+122", "35.54400", ".1234500", "-110.700", "5.500e+3", "-.123e-2",
                                        "-87e+832", "+0.6e-12", "T0.3e-1F", "-T.T++Tq", "1T3.4e4z", "34.0e-T^"};
    static char text[TEXT + 16];
    uint32_t counts[STATES] = {0};
    int length = 0;
    while (length < TEXT) {
        const char *word = words[(next_random(seed) >> 16) % (sizeof words / sizeof *words)];
        while (*word) text[length++] = *word++;
        text[length++] = ',';
    }
    text[length] = 0;
    for (const char *at = text; *at; at++) {
        enum state state = START;
        for (; *at != ','; at++) counts[state = next_state(state, *at)]++;
        counts[state]++;
    }
    for (int i = 0; i < STATES; i++) crc = crc16(counts[i], crc);
    return crc;
}

static uint32_t work(void) {
    uint32_t seed = 7;
    uint16_t crc = 0;
    for (int i = 0; i < ROUNDS; i++) {
        crc = lists(&seed, crc);
        crc = matrices(&seed, crc);
        crc = states(&seed, crc);
    }
    return crc;
}
