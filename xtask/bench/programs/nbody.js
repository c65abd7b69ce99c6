// Node.js: planets, as objects with numbers of double precision.
"use strict";

const DAYS = 365.24;
const SOLAR = 4 * Math.PI * Math.PI;

class Body {
  constructor(x, y, z, vx, vy, vz, mass) {
    Object.assign(this, { x, y, z, vx: vx * DAYS, vy: vy * DAYS, vz: vz * DAYS, mass: mass * SOLAR });
  }
}

const bodies = [
  new Body(0, 0, 0, 0, 0, 0, 1),
  new Body(4.84143144246472, -1.16032004402742, -0.10362204447112, 0.0016600766427, 0.0076990111841, -0.0000690460016, 0.00095479193842),
  new Body(8.34336671824457, 4.12479856412430, -0.40352341711432, -0.0027674251072, 0.0049985280123, 0.0000230417297, 0.00028588598067),
  new Body(12.89436956213913, -15.11115140169863, -0.22330757889265, 0.0029646013756, 0.0023784717395, -0.0000296589568, 0.00004366244043),
  new Body(15.37969711485092, -25.91931460998796, 0.17925877295037, 0.0026806777249, 0.0016282417003, -0.0000951592254, 0.00005151389020),
];

function advance(dt) {
  for (let i = 0; i < bodies.length; i++) {
    const a = bodies[i];
    for (let j = i + 1; j < bodies.length; j++) {
      const b = bodies[j];
      const dx = a.x - b.x;
      const dy = a.y - b.y;
      const dz = a.z - b.z;
      const square = dx * dx + dy * dy + dz * dz;
      const by = dt / (square * Math.sqrt(square));
      a.vx -= dx * b.mass * by;
      a.vy -= dy * b.mass * by;
      a.vz -= dz * b.mass * by;
      b.vx += dx * a.mass * by;
      b.vy += dy * a.mass * by;
      b.vz += dz * a.mass * by;
    }
  }
  for (const body of bodies) {
    body.x += dt * body.vx;
    body.y += dt * body.vy;
    body.z += dt * body.vz;
  }
}

function energy() {
  let sum = 0;
  bodies.forEach((a, i) => {
    sum += 0.5 * a.mass * (a.vx ** 2 + a.vy ** 2 + a.vz ** 2);
    for (const b of bodies.slice(i + 1)) sum -= (a.mass * b.mass) / Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z);
  });
  return sum;
}

for (let step = 0; step < 400000; step++) advance(0.01);
console.log(energy().toFixed(9));
