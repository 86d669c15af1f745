import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createIsoTime } from '../../../src/adapters/telemetry/iso-time.ts';

test('each line has the time at which it was written, as pino writes it', () => {
  let now = Date.UTC(2026, 10, 27, 9, 5, 3, 7);
  const lines: string[] = [];
  const log = pino({ base: null, timestamp: createIsoTime(() => now) }, { write: (line: string) => lines.push(line) });
  log.info('first');
  log.info('same millisecond');
  now += 1;
  log.info('next');
  // The clock was set back.
  now -= 60_000;
  log.info('earlier');
  expect(lines.map((line) => JSON.parse(line).time)).toEqual([
    '2026-11-27T09:05:03.007Z',
    '2026-11-27T09:05:03.007Z',
    '2026-11-27T09:05:03.008Z',
    '2026-11-27T09:04:03.008Z',
  ]);
});
