/** Loaded ahead of the service: each SIGWINCH sets its wall clock: two hours ahead, then an hour behind, then right again. */

const HOUR_MS = 3_600_000;
const SHIFTS_MS = [2 * HOUR_MS, -HOUR_MS, 0];
const rightTime = Date.now;
let shifts = 0;

process.on('SIGWINCH', () => {
  const shift = SHIFTS_MS[shifts % SHIFTS_MS.length] ?? 0;
  shifts += 1;
  Date.now = () => rightTime() + shift;
});
