import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Image } from '../../../src/core/domain/image.ts';
import type { StoredFile } from '../../../src/core/ports/media-store.ts';
import { createOrphanRemoval } from '../../../src/core/retention/orphans.ts';
import { exampleImage } from '../../support/app/fake-images.ts';

const HOUR_MS = 3_600_000;
const NOW = Date.UTC(2026, 10, 24);

/** Removes orphans from a store with these files, of which those of `owned` are on record; `adopted` are by the second look. */
async function removeOrphans(
  files: readonly StoredFile[],
  {
    owned = [],
    adopted = [],
    images = [],
    dryRun = false,
    keepsOrphans = false,
  }: {
    readonly owned?: readonly string[];
    readonly adopted?: readonly string[];
    readonly images?: readonly Image[];
    readonly dryRun?: boolean;
    readonly keepsOrphans?: boolean;
  } = {},
) {
  const removed: string[] = [];
  const seen = new Set<string>();
  const remove = createOrphanRemoval({
    records: {
      get: async (id) => images.find(({ mediaId }) => mediaId === id) ?? null,
      identity: async () => 'mine',
      async ownedNames(names) {
        const result = names.filter((name) => owned.includes(name) || (seen.has(name) && adopted.includes(name)));
        for (const name of names) seen.add(name);
        return new Set(result);
      },
      countByStatus: async () => ({ queued: 0, generating: 0, processing: 0, succeeded: 1, failed: 0, cancelled: 0 }),
    },
    store: {
      mark: async () => 'mine',
      async *list() {
        yield* files;
      },
      remove: async (names) => void removed.push(...names),
    },
    log: pino({ level: 'silent' }),
  });
  const passedOver: string[] = [];
  const passOver = (name: string) => void passedOver.push(name);
  const sweep = {
    dryRun,
    keepsOrphans,
    startedAt: NOW,
    removed: new Set<string>(),
    released: new Map(),
    freedBytes: 0,
    passOver,
  };
  const { orphansRemoved, foreignFiles, inventory } = await remove(sweep);
  const known = files.filter((file) => inventory.mayHold(file)).length;
  const otherSizes = files.filter(({ name, bytes }) => inventory.mayHold({ name, bytes: bytes + 1 })).length;
  return {
    removed,
    orphansRemoved,
    freedBytes: sweep.freedBytes,
    foreignFiles,
    passedOver,
    known,
    otherSizes,
    files: inventory.files,
  };
}

const aged = (name: string, ageMs: number): StoredFile => ({ name, bytes: 10, modifiedAt: NOW - ageMs });

it('removes what no record owns once it is an hour old, and has every file in its inventory', async () => {
  const files = [aged('old.png', HOUR_MS), aged('young.png', HOUR_MS - 1), aged('owned.png', 2 * HOUR_MS)];
  const result = await removeOrphans(files, { owned: ['owned.png'] });
  expect(result).toEqual({
    removed: ['old.png'],
    orphansRemoved: 1,
    freedBytes: 10,
    foreignFiles: 0,
    passedOver: [],
    known: 3,
    otherSizes: 0,
    files: 3,
  });
  const dry = await removeOrphans(files, { owned: ['owned.png'], dryRun: true });
  expect(dry).toEqual({ ...result, removed: [] });
});

it('leaves a file that has got an owner since the walk passed it', async () => {
  const files = [aged('gone.png', 2 * HOUR_MS), aged('adopted.png', 2 * HOUR_MS)];
  expect(await removeOrphans(files, { adopted: ['adopted.png'] })).toMatchObject({
    removed: ['gone.png'],
    orphansRemoved: 1,
  });
});

it('leaves a file with a checksum in its name while its image is at work, which may publish the same content again', async () => {
  const checksum = '0123456789abcdef';
  const names = ['done', 'gone', 'repaired', 'deferred'].flatMap((id) => [
    `${id}~${checksum}.png`,
    `${id}@8x8~${checksum}.webp`,
  ]);
  const result = await removeOrphans(
    names.map((name) => aged(name, 2 * HOUR_MS)),
    {
      owned: names.filter((name) => name === `done~${checksum}.png`),
      images: [
        exampleImage({ mediaId: 'done' }),
        exampleImage({ mediaId: 'repaired', status: 'processing' }),
        exampleImage({ mediaId: 'deferred', pending: [{ width: 8, height: 8, format: 'webp' }] }),
      ],
    },
  );
  expect(result.removed).toEqual([`done@8x8~${checksum}.webp`, `gone~${checksum}.png`, `gone@8x8~${checksum}.webp`]);
});

it('walks through every batch', async () => {
  const files = Array.from({ length: 250 }, (_, number) => aged(`f${number}.png`, 2 * HOUR_MS));
  const owned = files.map(({ name }) => name).filter((_, number) => number % 5 !== 0);
  const { removed, files: count } = await removeOrphans(files, { owned });
  expect([removed.length, count]).toEqual([50, 250]);
});
