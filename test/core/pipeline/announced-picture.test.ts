import { pino } from 'pino';
import { expect, it } from 'vitest';
import { ProviderError } from '../../../src/core/domain/errors.ts';
import { createFetchAnnounced } from '../../../src/core/pipeline/announced-picture.ts';
import { inRun } from '../../../src/core/pipeline/job.ts';
import type { JobSignals } from '../../../src/core/ports/job-queue.ts';
import type { DownloadOptions } from '../../../src/core/ports/provider.ts';
import { received } from '../../support/received.ts';
import { createManualClock } from '../../support/test-clock.ts';
import { ANNOUNCED, attemptOf, imageIn } from '../domain/life-cycle/example-changes.ts';
import { openJobOf } from './job-of.ts';

type Ends = Readonly<Record<keyof JobSignals, AbortController>>;

/** The fetch of an announced picture within a minute, on a clock that the test moves; `download` is its tries. */
function openScene(download: (options: DownloadOptions, tries: number, ends: Ends) => Promise<Uint8Array>) {
  const clock = createManualClock();
  const began = clock.monotonic();
  const ends: Ends = {
    cancelled: new AbortController(),
    discarded: new AbortController(),
    draining: new AbortController(),
    stopping: new AbortController(),
  };
  const signals: JobSignals = {
    cancelled: ends.cancelled.signal,
    discarded: ends.discarded.signal,
    draining: ends.draining.signal,
    stopping: ends.stopping.signal,
  };
  const tries: number[] = [];
  const provider = {
    name: 'first',
    download: (_url: string, options: DownloadOptions) => {
      tries.push(clock.monotonic() - began);
      // Tries without a pause would leave the test no turn to fail in.
      if (tries.length > 20) throw new Error('it is tried for ever');
      return download(options, tries.length, ends).then((bytes) => ({
        ...received(bytes),
        isWhole: !Buffer.from(bytes).includes('half'),
      }));
    },
  };
  const run = { ...inRun(openJobOf(imageIn('generating')).job, 1), signals, log: pino({ level: 'silent' }) };
  const fetching = createFetchAnnounced({ clock, random: () => 0.999 })(
    run,
    provider,
    attemptOf('a', 1, { announced: ANNOUNCED }),
    began + 60_000,
  ).then(
    ({ bytes }) => Buffer.from(bytes).toString(),
    (error: ProviderError) => error.fault,
  );
  return { clock, ends, tries, fetching };
}

/** Lets what is due happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

const later = (retryAfterMs: number | null = null) =>
  Promise.reject(new ProviderError('overloaded', 'not yet', { retryAfterMs }));

it('is tried with growing gaps, or after the Retry-After, and once at the end of its time', async () => {
  const scene = openScene((_options, tries) => later(tries === 3 ? 40_000 : null));
  for (let ms = 0; ms <= 60_000; ms += 500) {
    await settle();
    // A clock that is set changes nothing.
    if (ms === 2_000) scene.clock.step(-3_600_000);
    if (ms === 50_000) scene.clock.step(7_200_000);
    scene.clock.move(500);
  }
  expect(await scene.fetching).toBe('empty');
  expect(scene.tries).toEqual([0, 500, 1500, 45_500, 49_500, 57_500, 60_000]);
});

it('gives each try half of what is left of the time, and five seconds at least', async () => {
  const timeouts: number[] = [];
  const scene = openScene(({ timeoutMs }) => {
    timeouts.push(timeoutMs);
    return later(50_001);
  });
  for (const ms of [55_000, 5_000]) {
    await settle();
    scene.clock.move(ms);
  }
  expect(await scene.fetching).toBe('empty');
  expect(timeouts).toEqual([30_000, 5_000, 5_000]);
});

const half = async (text = 'half') => Buffer.from(text);

it('is tried again while its URL gives a part of it', async () => {
  const scene = openScene((_options, tries) => (tries < 3 ? half() : half('all')));
  for (const _ of [1, 2, 3]) {
    await settle();
    scene.clock.move(2_000);
  }
  expect(await scene.fetching).toBe('all');
});

it('is taken as it is where a few tries bring no more, the last one fails, or its image is cancelled', async () => {
  const scene = openScene((_options, tries) => half(`half ${tries}`));
  for (const _ of [1, 2, 3, 4]) {
    await settle();
    scene.clock.move(5_000);
  }
  expect(await scene.fetching).toBe('half 4');

  const cancelled = openScene((_options, _tries, ends) => {
    ends.cancelled.abort();
    return half();
  });
  expect(await cancelled.fetching).toBe('half');
});

it('is tried once where no further try can work', async () => {
  const scene = openScene(() => Promise.reject(new ProviderError('empty', 'it is too large')));
  expect(await scene.fetching).toBe('empty');
  expect(scene.tries).toEqual([0]);
});

it('is tried once more at once when its image is cancelled during a wait', async () => {
  const scene = openScene(() => later(30_000));
  await settle();
  scene.ends.cancelled.abort();
  expect(await scene.fetching).toBe('cancelled');
  expect(scene.tries).toEqual([0, 0]);
});

it.each(['draining', 'stopping', 'discarded'] as const)(
  'ends as cancelled where `%s` fires during a wait, without a further try',
  async (end) => {
    const scene = openScene(() => later(30_000));
    await settle();
    scene.ends[end].abort();
    // Deleted, or past the end of its process: both are told of the cancel or of the drain as well.
    scene.ends[end === 'discarded' ? 'cancelled' : 'draining'].abort();
    expect(await scene.fetching).toBe('cancelled');
    expect(scene.tries).toEqual([0]);
  },
);

it.each([
  ['cancelled', false],
  ['draining', false],
  ['discarded', true],
  ['stopping', true],
] as const)('a try under way is told of `%s`: %s', async (end, told) => {
  const scene = openScene(async ({ signal }, _tries, ends) => {
    ends[end].abort();
    if (signal.aborted) throw new ProviderError('cancelled', 'it was seen');
    return Buffer.from('picture');
  });
  expect(await scene.fetching).toBe(told ? 'cancelled' : 'picture');
  expect(scene.tries).toEqual([0]);
});
