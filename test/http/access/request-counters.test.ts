import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { RequestCounters } from '../../../src/core/ports/request-counters.ts';
import { createLocalCounters, withLocalFallback } from '../../../src/http/access/request-counters.ts';
import { createManualClock } from '../../support/test-clock.ts';

/** Counters over a clock that stands still; `answer` is what the shared ones do. */
function setUp() {
  const clock = createManualClock();
  const lines: string[] = [];
  const scene = { answer: async () => ({ current: 100, ttl: 1 }) };
  const shared: RequestCounters = { count: () => scene.answer() };
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  const counters = withLocalFallback(shared, createLocalCounters(clock), clock, log);
  return { clock, lines, scene, count: async () => (await counters.count('a', 60_000)).current };
}

test('counts here after a failure, asks the others again after five seconds, and logs each turn once', async () => {
  const { clock, lines, scene, count } = setUp();
  const { answer } = scene;
  expect(await count()).toBe(100);
  scene.answer = () => Promise.reject(new Error('lost'));
  expect([await count(), await count()]).toEqual([1, 2]);
  clock.move(5_000);
  expect(await count()).toBe(3);
  scene.answer = answer;
  expect(await count()).toBe(4);
  clock.move(5_000);
  expect(await count()).toBe(100);
  expect(lines).toEqual([
    'each replica counts its own requests against the rate limits',
    'requests are counted over all replicas again',
  ]);
});

test('counts here where the others do not answer within a second', async () => {
  const { clock, scene, count } = setUp();
  scene.answer = () => new Promise(() => {});
  const counted = count();
  clock.move(1_000);
  expect(await counted).toBe(1);
});
