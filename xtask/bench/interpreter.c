// A byte-code interpreter, the way most are written: a function per instruction called through a table, or, with
// COMPUTED_GOTO, labels as values.
#include "bench.h"

enum { PUSH, ADD, SUB, MUL, DUP, SWAP, LOAD, STORE, JNZ, XOR, SHR, HALT };

// x = 1; for (i = ROUNDS; i; i--) { x = x * 5 + i; x ^= x >> 7; }
enum { ROUNDS = 120000 };
static const uint8_t program[] = {
    PUSH, 1, STORE, 0, PUSH, 255, STORE, 1,
    /* 8: */ LOAD, 0, PUSH, 5, MUL, LOAD, 1, ADD, DUP, PUSH, 7, SHR, XOR, STORE, 0,
    LOAD, 1, PUSH, 1, SUB, DUP, STORE, 1, JNZ, 8, HALT};

static uint32_t stack[16], cells[4];

#ifdef COMPUTED_GOTO
static uint32_t NOINLINE interpret(void) {
    static const void *const labels[] = {&&push, &&add, &&sub, &&mul, &&dup, &&swap, &&load, &&store, &&jnz, &&xor, &&shr, &&halt};
    const uint8_t *pc = program;
    uint32_t *sp = stack, swapped;
#define NEXT goto *labels[*pc++]
    NEXT;
push: *sp++ = *pc++; NEXT;
add: sp--; sp[-1] += *sp; NEXT;
sub: sp--; sp[-1] -= *sp; NEXT;
mul: sp--; sp[-1] *= *sp; NEXT;
dup: *sp = sp[-1]; sp++; NEXT;
swap: swapped = sp[-1]; sp[-1] = sp[-2]; sp[-2] = swapped; NEXT;
load: *sp++ = cells[*pc++]; NEXT;
store: cells[*pc++] = *--sp; NEXT;
jnz: pc = *--sp ? program + *pc : pc + 1; NEXT;
xor: sp--; sp[-1] ^= *sp; NEXT;
shr: sp--; sp[-1] >>= *sp; NEXT;
halt: return cells[0];
}
#else
static const uint8_t *pc;
static uint32_t *sp;
static void push(void) { *sp++ = *pc++; }
static void add(void) { sp--; sp[-1] += *sp; }
static void sub(void) { sp--; sp[-1] -= *sp; }
static void mul(void) { sp--; sp[-1] *= *sp; }
static void dup_(void) { *sp = sp[-1]; sp++; }
static void swap(void) { uint32_t x = sp[-1]; sp[-1] = sp[-2]; sp[-2] = x; }
static void load(void) { *sp++ = cells[*pc++]; }
static void store(void) { cells[*pc++] = *--sp; }
static void jnz(void) { pc = *--sp ? program + *pc : pc + 1; }
static void xor_(void) { sp--; sp[-1] ^= *sp; }
static void shr(void) { sp--; sp[-1] >>= *sp; }
static void (*const handlers[])(void) = {push, add, sub, mul, dup_, swap, load, store, jnz, xor_, shr};

static uint32_t NOINLINE interpret(void) {
    pc = program;
    sp = stack;
    for (unsigned op; (op = *pc++) != HALT;) handlers[op]();
    return cells[0];
}
#endif

static uint32_t work(void) {
    uint32_t sum = 0;
    // The program's own loop runs 255 times.
    for (int i = 0; i < ROUNDS / 255; i++) sum = sum * 3 + interpret();
    return sum;
}
