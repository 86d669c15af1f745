import { chmodSync, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { anImage } from '../../../contracts/record-store/example-images.ts';
import { makePlaceForEach, stopped } from './fixture.ts';

const place = makePlaceForEach();

const modes = () => ['', '-wal', '-shm'].map((end) => (statSync(place.path() + end).mode & 0o777).toString(8));

it('keeps a new database to its user', async () => {
  await place.open().accept(anImage(), 1);
  expect(modes()).toEqual(['600', '600', '600']);
});

it('takes the rights of others from an older database, and from what a killed process left beside it', async () => {
  const child = place.startChild(`
    await open().accept(${JSON.stringify(anImage())}, 1);
    process.stdout.write('accepted');
    setInterval(() => {}, 1000);`);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGKILL');
  await stopped(child);
  for (const end of ['', '-wal', '-shm']) chmodSync(place.path() + end, 0o644);
  const records = place.open();
  expect(modes()).toEqual(['600', '600', '600']);
  expect(await records.get(anImage().mediaId)).not.toBeNull();
});
