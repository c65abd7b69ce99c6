// Recursion: calls, returns and stack traffic.
#include <stdio.h>

static unsigned __attribute__((noinline)) fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

int main(void) {
    printf("%u\n", fib(30));
    return 0;
}
