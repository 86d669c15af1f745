import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createSweepWatch } from '../../../src/core/retention/sweep-watch.ts';

function openWatch() {
  const lines: { name: string }[] = [];
  const watch = createSweepWatch(pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }));
  const sweep = (names: readonly string[], { dryRun = false, error }: { dryRun?: boolean; error?: unknown } = {}) => {
    const notes = watch.begin(dryRun);
    for (const name of names) notes.passOver(name, new Error('odd'));
    notes.end(error);
    return notes.passedOver();
  };
  return { watch, sweep, logged: () => lines.splice(0).map(({ name }) => name) };
}

it('names what was passed over once while it lasts, and again when it comes back', () => {
  const { sweep, logged } = openWatch();
  expect(sweep(['a', 'b', 'a'])).toEqual({ failures: 2, failuresOf: ['a', 'b'] });
  sweep([], { dryRun: true });
  sweep(['a', 'c']);
  expect(logged()).toEqual(['a', 'b', 'c']);
  sweep(['c']);
  sweep(['a', 'c']);
  expect(logged()).toEqual(['a']);
});

it('counts all and names a hundred', () => {
  const { watch, sweep, logged } = openWatch();
  const names = Array.from({ length: 250 }, (_, number) => `f${number}`);
  expect(sweep([...names, 'f249'])).toEqual({ failures: 250, failuresOf: names.slice(0, 100) });
  expect(logged()).toHaveLength(100);
  expect(watch.trouble()).toContain('250 files and pictures');
});

it('is in trouble after a sweep that failed or passed something over, until one did neither, and names no file', () => {
  const { watch, sweep } = openWatch();
  expect(watch.trouble()).toBeNull();
  sweep(['secret-name']);
  expect(watch.trouble()).toMatch(/^the last cleanup could not deal with one file or picture/);
  expect(watch.trouble()).not.toContain('secret-name');
  sweep([], { dryRun: true });
  expect(watch.trouble()).not.toBeNull();
  sweep([], { error: new Error('no disk') });
  expect(watch.trouble()).toBe('the last cleanup failed: no disk');
  sweep([]);
  expect(watch.trouble()).toBeNull();
  sweep(['a'], { dryRun: true, error: new Error('no disk') });
  expect(watch.trouble()).toBeNull();
});
