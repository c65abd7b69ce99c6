// Compression with a hash of the last places, decompression, and a CRC-32 of the result: bytes, tables, short loops.
#include "bench.h"

enum { SIZE = 1 << 18, HASH = 1 << 13 };
static uint8_t plain[SIZE], packed[SIZE * 2], again[SIZE];
static uint32_t crc_table[256];

static uint32_t NOINLINE crc32(const uint8_t *bytes, unsigned len) {
    uint32_t crc = ~0u;
    while (len--) crc = crc >> 8 ^ crc_table[(crc ^ *bytes++) & 255];
    return ~crc;
}

// A literal is 0 and a byte; a match is its length (4 to 255) and a distance of 16 bits.
static unsigned NOINLINE compress(void) {
    static uint32_t last[HASH];
    memset(last, 0, sizeof last);
    unsigned in = 0, out = 0;
    while (in + 4 < SIZE) {
        uint32_t four;
        memcpy(&four, plain + in, 4);
        uint32_t *slot = &last[four * 2654435761u >> 19];
        unsigned from = *slot, len = 0;
        *slot = in;
        if (from < in && in - from < 65536)
            while (len < 255 && in + len < SIZE && plain[from + len] == plain[in + len]) len++;
        if (len >= 4) {
            packed[out++] = (uint8_t)len;
            packed[out++] = (uint8_t)(in - from);
            packed[out++] = (uint8_t)((in - from) >> 8);
            in += len;
        } else {
            packed[out++] = 0;
            packed[out++] = plain[in++];
        }
    }
    while (in < SIZE) packed[out++] = 0, packed[out++] = plain[in++];
    return out;
}

static unsigned NOINLINE decompress(unsigned len) {
    unsigned out = 0;
    for (unsigned in = 0; in < len;) {
        unsigned count = packed[in++];
        if (count == 0) {
            again[out++] = packed[in++];
            continue;
        }
        unsigned distance = packed[in] | packed[in + 1] << 8;
        in += 2;
        while (count--) again[out] = again[out - distance], out++;
    }
    return out;
}

static uint32_t work(void) {
    static const char *words[] = {"the ", "a page ", "of memory ", "is ", "mapped ", "and ", "written ", "twice, "};
    uint32_t seed = 7, sum = 0;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
        crc_table[i] = value;
    }
    for (unsigned at = 0; at < SIZE;) {
        uint32_t random = next_random(&seed);
        for (const char *word = words[random >> 29]; *word && at < SIZE; word++) plain[at++] = (uint8_t)*word;
        if (at < SIZE && random >> 24 & 1) plain[at++] = (uint8_t)(random >> 16);
    }
    for (int round = 0; round < 2; round++) {
        unsigned len = compress();
        if (decompress(len) != SIZE || memcmp(plain, again, SIZE) != 0) return 0;
        sum += len + crc32(packed, len) + crc32(again, SIZE);
    }
    return sum;
}
