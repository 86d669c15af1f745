/**
 * A preload: the time of day of the process is ahead by the milliseconds in the file that `CLOCK_SHIFT` names, and behind by negative
 * ones. Timers and `performance` go on as they are, as when a machine's clock is set.
 */

import { readFileSync } from 'node:fs';

const path = process.env.CLOCK_SHIFT ?? '';
const now = Date.now.bind(Date);
const shift = () => {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return 0;
  }
};

globalThis.Date = class extends Date {
  static override now(): number {
    return now() + shift();
  }

  constructor(...given: []) {
    super(...((given.length === 0 ? [now() + shift()] : given) as []));
  }
} as DateConstructor;
