// Planets that attract each other: chains of doubles with divisions and square roots.
#include "bench.h"
#include <math.h>

enum { BODIES = 5 };
static double x[BODIES], y[BODIES], z[BODIES], vx[BODIES], vy[BODIES], vz[BODIES], mass[BODIES];

static uint32_t work(void) {
    for (int i = 0; i < BODIES; i++) {
        x[i] = 3.0 * i, y[i] = 1.0 + i * i, z[i] = 0.25 * i;
        vx[i] = 0.01 * i, vy[i] = 0.5 - 0.1 * i, vz[i] = 0.02;
        mass[i] = i ? 0.01 * i : 39.0;
    }
    for (int step = 0; step < 60000; step++) {
        for (int i = 0; i < BODIES; i++)
            for (int j = i + 1; j < BODIES; j++) {
                double dx = x[i] - x[j], dy = y[i] - y[j], dz = z[i] - z[j];
                double square = dx * dx + dy * dy + dz * dz, pull = 0.001 / (square * sqrt(square));
                vx[i] -= dx * mass[j] * pull, vy[i] -= dy * mass[j] * pull, vz[i] -= dz * mass[j] * pull;
                vx[j] += dx * mass[i] * pull, vy[j] += dy * mass[i] * pull, vz[j] += dz * mass[i] * pull;
            }
        for (int i = 0; i < BODIES; i++) x[i] += 0.001 * vx[i], y[i] += 0.001 * vy[i], z[i] += 0.001 * vz[i];
    }
    uint64_t bits;
    memcpy(&bits, &x[1], sizeof bits);
    return (uint32_t)(bits ^ bits >> 32);
}
