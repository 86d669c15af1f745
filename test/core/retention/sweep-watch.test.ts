import { pino } from 'pino';
import { expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { createSweepWatch } from '../../../src/core/retention/sweep-watch.ts';

function openWatch() {
  const lines: { item: string }[] = [];
  const ended: boolean[] = [];
  const watch = createSweepWatch(pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }), {
    cleanupEnded: (succeeded) => void ended.push(succeeded),
  });
  const sweep = (names: readonly string[], { dryRun = false, error }: { dryRun?: boolean; error?: unknown } = {}) => {
    const notes = watch.begin(dryRun);
    for (const name of names) notes.passOver(name, new Error('odd'));
    notes.end(error);
    return notes.passedOver();
  };
  return { watch, sweep, lines, ended, logged: () => lines.splice(0).map(({ item }) => item) };
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

it('says once that cleanups fail, again where the reason is another, and that they work again; and counts all but dry runs', () => {
  const { sweep, lines, ended } = openWatch();
  const noDisk = { error: new ImageError('storage_unavailable', 'no disk') };
  for (let hour = 0; hour < 24; hour++) sweep([], noDisk);
  sweep([], { error: new ImageError('storage_unavailable', 'no database') });
  sweep([], { ...noDisk, dryRun: true });
  sweep([]);
  sweep([]);
  const failed = { level: 50, msg: 'the cleanup failed; the next one tries again', code: 'storage_unavailable' };
  expect(lines).toMatchObject([
    { ...failed, reason: 'no disk' },
    { ...failed, reason: 'no database' },
    { level: 30, msg: 'the cleanup works again' },
  ]);
  expect(JSON.stringify(lines)).not.toContain('stack');
  expect([ended.filter((one) => !one).length, ended.filter(Boolean).length]).toEqual([25, 2]);
});
