// Numbers as the C library prints, reads and computes them: x87 and its 80 bits on both architectures.
#include "cases.h"
#include <complex.h>
#include <fenv.h>
#include <float.h>
#include <math.h>

static uint64_t state = 88172645463325252;
static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

union bits {
    long double value;
    struct {
        uint64_t mantissa;
        uint16_t exponent;
    };
};

// A number of any size; sometimes an odd one.
static long double any(void) {
    union bits b = {0};
    b.mantissa = next() | 1ull << 63;
    b.exponent = (uint16_t)next();
    switch (next() % 16) {
    case 0: b.exponent = 0, b.mantissa &= ~(1ull << 63); break;
    case 1: b.exponent |= 0x7fff, b.mantissa = 1ull << 63; break;
    case 2: b.exponent |= 0x7fff; break;
    case 3: b.mantissa = 1ull << 63; break;
    }
    return b.value;
}

// A number near the numbers of daily life.
static long double usual(void) {
    union bits b = {0};
    b.mantissa = next() | 1ull << 63;
    b.exponent = (uint16_t)(16383 - 20 + next() % 40 + (next() & 1 ? 0x8000 : 0));
    return b.value;
}

static void show(const char *what, long double value) {
    union bits b = {.value = value};
    printf("%s %04x %016llx\n", what, b.exponent, (unsigned long long)b.mantissa);
}

static void printing(void) {
    for (int i = 0; i < 300; i++) {
        long double x = i % 2 ? any() : usual();
        printf("%Lg %.25Le %La %.*Lg\n", x, x, x, (int)(next() % 40), x);
        if (fabsl(x) < 1e30L) printf("%.30Lf %Lf %+020.3Lf\n", x, x, x);
        printf("%g %.20e %a\n", (double)x, (double)x, (double)x);
    }
}

static void reading(void) {
    static const char *texts[] = {"0.1", "1e4932", "1.18973149535723176502e+4932", "1e4933", "3.6e-4951", "1e-4950", "nan",
                                  "-inf", "0x1.fffffffffffffffep+16383", "0x1p-16445", "0x0.0000000000000001p-16382",
                                  "123456789012345678901234567890", "2.2250738585072011e-308", "9007199254740993",
                                  "0.500000000000000166533453693773481063544750213623046875", "1e23", "-0", "infinite"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *end;
        errno = 0;
        show(texts[i], strtold(texts[i], &end));
        printf("%s rest '%s'\n", errno == ERANGE ? "out of range," : "", end);
        printf("%a %a\n", strtod(texts[i], 0), (double)strtof(texts[i], 0));
    }
    int same = 0;
    for (int i = 0; i < 300; i++) {
        char text[80];
        long double x = any();
        snprintf(text, sizeof text, "%.21Le", x);
        long double back = strtold(text, 0);
        same += isnan(x) ? isnan(back) : back == x;
    }
    printf("came back %d\n", same);
}

// Processors differ in the last bit of what the transcendental instructions give.
static void roughly(const char *what, long double value) {
    printf("%s %.16Lg\n", what, value);
}

#define ONE(f) {#f, f, roughly}
#define EXACT(f) {#f, f, show}
static void functions(void) {
    static const struct {
        const char *name;
        long double (*of)(long double);
        void (*show)(const char *, long double);
    } list[] = {EXACT(sqrtl),  ONE(expl),   ONE(exp2l),  ONE(expm1l), ONE(logl),   ONE(log2l),  ONE(log10l), ONE(log1pl),
                ONE(atanl),  ONE(asinl),  ONE(acosl),  ONE(sinl),   ONE(cosl),   ONE(tanl),   ONE(sinhl),  ONE(coshl),
                ONE(tanhl),  ONE(asinhl), ONE(cbrtl),  ONE(erfl),   EXACT(floorl), EXACT(ceill),  EXACT(roundl), EXACT(truncl),
                EXACT(rintl),  EXACT(logbl),  ONE(lgammal)};
    for (unsigned f = 0; f < sizeof list / sizeof *list; f++)
        for (int i = 0; i < 40; i++) {
            long double x = i % 8 ? usual() : any();
            feclearexcept(FE_ALL_EXCEPT);
            long double y = list[f].of(x);
            int raised = fetestexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW);
            if (isnan(y)) y = (long double)NAN;
            printf("%s(%La) raises %x: ", list[f].name, x, raised);
            list[f].show("", y);
        }
}

static void functions_of_two(void) {
    for (int i = 0; i < 200; i++) {
        long double x = i % 8 ? usual() : any(), y = usual();
        printf("%La %La\n", x, y);
        roughly("pow", isnan(powl(fabsl(x), y)) ? 0 : powl(fabsl(x), y));
        roughly("atan2", atan2l(y, isnan(x) ? 1 : x));
        show("fmod", isnan(x) || isinf(x) ? 0 : fmodl(x, y));
        show("remainder", isnan(x) || isinf(x) ? 0 : remainderl(x, y));
        roughly("hypot", isnan(x) ? 0 : hypotl(x, y));
        show("scalbn", isnan(x) ? 0 : scalbnl(x, (int)y % 20000));
        printf("%a %a %a\n", pow(fabs((double)y), 1.7), atan2((double)y, 2.5), (double)cabsl(y + I));
    }
}

static void rounding(void) {
    static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    for (int m = 0; m < 4; m++) {
        fesetround(modes[m]);
        for (int i = 0; i < 60; i++) {
            volatile long double x = usual(), y = usual();
            volatile double a = (double)x, b = (double)y;
            volatile float c = (float)x, d = (float)y;
            show("+", x + y);
            show("*", x * y);
            show("/", x / y);
            printf("%a %a %a %a\n", a + b, a * b, a / b, sqrt(fabs(a)));
            printf("%a %a %a %a\n", (double)(c + d), (double)(c * d), (double)(c / d), (double)(float)a);
            printf("%ld %lld %ld %La\n", lrintl(x), llrint(a), lrintf(c), nearbyintl(x));
            printf("%.3Lf %.2f\n", x, b);
        }
    }
}

static void integers(void) {
    for (int i = 0; i < 300; i++) {
        uint64_t a = next(), b = next() >> next() % 64;
        if (!b) b = 1;
        long double x = (long double)a;
        printf("%llu %llu %lld %lld\n", (unsigned long long)(a / b), (unsigned long long)(a % b), (long long)a / (long long)(b | 2),
               (long long)a % (long long)(b | 2));
        show("from unsigned", x);
        show("from signed", (long double)(int64_t)a);
        printf("%a %a %a\n", (double)a, (double)(int64_t)a, (double)(float)a);
        printf("%llu %lld\n", (unsigned long long)(x * 0.99L), (long long)((double)(int64_t)a * 0.5));
    }
}

MAIN(TEST(printing), TEST(reading), TEST(functions), TEST(functions_of_two), TEST(rounding), TEST(integers))
