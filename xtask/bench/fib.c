// Recursion: calls, returns and stack traffic.
#include "bench.h"

static uint32_t NOINLINE fib(uint32_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static uint32_t work(void) { return fib(31); }
