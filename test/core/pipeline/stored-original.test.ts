import { expect, it } from 'vitest';
import { ALGORITHMIC_MEDIA, TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { ImageError, ProviderError } from '../../../src/core/domain/errors.ts';
import { originalName, sha256, toOriginal } from '../../../src/core/domain/file-names.ts';
import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import type { FetchAnnounced } from '../../../src/core/pipeline/announced-picture.ts';
import { inRun } from '../../../src/core/pipeline/job.ts';
import { createFindStoredOriginal } from '../../../src/core/pipeline/stored-original.ts';
import { planGeneration } from '../../../src/core/planning/plan.ts';
import { received } from '../../support/received.ts';
import { ANNOUNCED, attemptOf, imageIn, originalOf } from '../domain/life-cycle/example-changes.ts';
import { openJobOf } from './job-of.ts';

const TIMEOUT_MS = 180_000;
const NOW = Date.UTC(2026, 10, 24);
const PICTURE = Buffer.from('picture');

/** An image of a second run that waits, with these attempts of its first run. */
const withAttempts = (...attempts: readonly Attempt[]): Image => ({ ...imageIn('queued'), run: 2, attempts });

const open = (id: string, change: Partial<Attempt> = {}) => attemptOf(id, 1, change);
const named = (id: string, change: Partial<Attempt> = {}) =>
  open(id, { announced: { ...ANNOUNCED, revisedPrompt: `by ${id}` }, ...change });

/** Looks for the original of `image`, with the pictures of these attempts on disk and those of `atUrl` at their URLs. */
async function look(
  image: Image,
  {
    onDisk = [],
    atUrl = [],
    fault = 'empty',
  }: {
    readonly onDisk?: readonly string[];
    readonly atUrl?: readonly string[];
    readonly fault?: 'empty' | 'cancelled';
  },
) {
  const { job } = openJobOf(image);
  const files = new Map(onDisk.map((id) => [originalName('x', id), PICTURE]));
  const fetched: (readonly [id: string, forMs: number])[] = [];
  const fetchAnnounced: FetchAnnounced = async (_run, _provider, { id }, until) => {
    fetched.push([id, until - NOW]);
    if (atUrl.includes(id)) return received(PICTURE);
    throw new ProviderError(fault, 'it is not there');
  };
  const failing = new Set(['read', 'put']);
  const failOnce = (access: string) => {
    if (failing.delete(access)) throw new ImageError('storage_unavailable', 'the disk is gone');
  };
  const model = CATALOG.get('gpt-image-2');
  if (model === undefined) throw new Error('the catalog lacks gpt-image-2');
  const find = createFindStoredOriginal({
    store: {
      async read(name) {
        failOnce('read');
        return files.get(name) ?? null;
      },
      async put(name, bytes) {
        failOnce('put');
        files.set(name, Buffer.from(bytes));
      },
      remove: async (names) => names.forEach((name) => void files.delete(name)),
    },
    upstreams: {
      provider: (name) => ({
        name,
        digitalSourceType: name === 'second' ? ALGORITHMIC_MEDIA : TRAINED_ALGORITHMIC_MEDIA,
        supportsSize: true,
        controlSequences: [],
        model: () => model,
        generate: () => Promise.reject(new Error('is not called')),
        download: () => Promise.reject(new Error('is not called')),
      }),
      plan: (_provider, request) => planGeneration(request, model),
    },
    fetchAnnounced,
    timeoutMs: TIMEOUT_MS,
    clock: { now: () => NOW, monotonic: () => NOW },
  });
  const found = await find(inRun(job, image.run), image).catch((error: unknown) => error);
  return { found, fetched, files: [...files.keys()], stored: await job.read() };
}

it('is the picture on disk of the newest attempt that was never closed, over faults of the disk', async () => {
  const image = withAttempts(open('a'), open('b'), open('c', { outcome: 'cancelled', durationMs: 5 }));
  const { found, stored } = await look(image, { onDisk: ['a', 'b', 'c'] });
  expect(found).toMatchObject({ original: { name: originalName('x', 'b'), sha256: sha256(PICTURE) } });
  expect(stored?.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'ok', 'cancelled']);
});

it('closes a dead one without a negative duration where the clock was set back since its call', async () => {
  const startedAt = new Date(NOW + 3_600_000).toISOString();
  const { stored } = await look(withAttempts(named('a', { startedAt })), {});
  expect(stored?.attempts).toMatchObject([{ outcome: 'unknown', durationMs: 0 }]);
});

it('is one on disk before one at a URL', async () => {
  const { found, fetched } = await look(withAttempts(open('a'), named('b')), { onDisk: ['a'], atUrl: ['b'] });
  expect(found).toMatchObject({ original: { name: originalName('x', 'a') } });
  expect(fetched).toEqual([]);
});

it('is the picture at the newest URL that lives, stored over faults of the disk; those that are dead are closed', async () => {
  const closed = { outcome: 'unknown', durationMs: 5 } as const;
  const image = withAttempts(named('a'), named('b'), named('c', closed), named('d', { outcome: 'ok', durationMs: 5 }));
  const { found, fetched, files, stored } = await look(image, { atUrl: ['a', 'b', 'd'] });
  // One that was closed before has had its time.
  expect(fetched).toEqual([
    ['c', 0],
    ['b', TIMEOUT_MS],
  ]);
  expect(found).toMatchObject({ image: { revisedPrompt: 'by b' }, original: { name: originalName('x', 'b') } });
  expect(files).toEqual([originalName('x', 'b')]);
  expect(stored?.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'ok', 'unknown', 'ok']);

  const dead = await look(withAttempts(named('a'), named('b')), {});
  expect(dead.found).toBeNull();
  expect(dead.stored?.attempts).toMatchObject([{ durationMs: expect.any(Number) }, { durationMs: expect.any(Number) }]);
});

it('is left open at its URL where the process stops during the fetch', async () => {
  const { found, stored } = await look(withAttempts(named('a')), { fault: 'cancelled' });
  expect(found).toMatchObject({ fault: 'cancelled' });
  expect(stored?.attempts).toMatchObject([{ outcome: 'unknown', durationMs: null }]);
});

it('brings the plan of the provider that made it, where the record has that of another', async () => {
  const { model } = imageIn('queued');
  const same = await look(withAttempts(open('a')), { onDisk: ['a'] });
  expect(same.stored).toMatchObject({ provider: 'first', model, warnings: imageIn('queued').warnings });
  expect(same.stored?.original).toMatchObject({ digitalSourceType: TRAINED_ALGORITHMIC_MEDIA });
  const other = await look(withAttempts(open('a', { provider: 'second' })), { onDisk: ['a'] });
  expect(other.stored).toMatchObject({ provider: 'second', model: 'gpt-image-2' });
  expect(other.stored?.original).toMatchObject({ digitalSourceType: ALGORITHMIC_MEDIA });
});

it.each<[string, Partial<Image>, string | null]>([
  ['is sound', {}, 'storage_unavailable'],
  ['is sound, in a run that may cost again', { allowanceFrom: 2 }, null],
  [
    'is sound and being finished, in a run that may cost again',
    { allowanceFrom: 2, status: 'processing' },
    'storage_unavailable',
  ],
  ['was rejected', { original: { ...originalOf('a'), sound: false } }, null],
])('is missing where the recorded one %s: %j gives %s', async (_what, change, code) => {
  const image = { ...withAttempts(open('a', { outcome: 'ok', durationMs: 5 })), original: originalOf('a'), ...change };
  expect((await look(image, {})).found).toEqual(code === null ? null : expect.objectContaining({ code }));
});

it('is the recorded one, over faults of the disk, unless that is damaged', async () => {
  const original = toOriginal(
    originalName('x', 'a'),
    { bytes: PICTURE.length, sha256: sha256(PICTURE) },
    TRAINED_ALGORITHMIC_MEDIA,
  );
  const image = { ...withAttempts(open('a', { outcome: 'ok', durationMs: 5 })), original };
  expect((await look(image, { onDisk: ['a'] })).found).toMatchObject({ original, image: { status: 'processing' } });
  const damaged = { ...image, original: { ...original, sha256: 'another' } };
  expect((await look(damaged, { onDisk: ['a'] })).found).toMatchObject({ code: 'storage_unavailable' });
});
