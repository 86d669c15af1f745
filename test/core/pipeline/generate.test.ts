import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import { createGenerate, createRegenerate } from '../../../src/core/pipeline/generate.ts';
import { inRun } from '../../../src/core/pipeline/job.ts';
import type { JobSignals } from '../../../src/core/ports/job-queue.ts';
import type { Provider } from '../../../src/core/ports/provider.ts';
import type { CallWithFallback } from '../../../src/core/upstream/fallback.ts';
import { createUpstreams } from '../../../src/core/upstream/upstreams.ts';
import { attemptOf, imageIn, LATER, originalOf } from '../domain/life-cycle/example-changes.ts';
import { openJobOf } from './job-of.ts';

type Request = Parameters<CallWithFallback>[0];

/** What generating `image` asks of the providers, once the signal `end` has fired. */
async function requestFor(image: Image, end?: keyof JobSignals): Promise<Request> {
  const asked: Request[] = [];
  const { job, clock } = openJobOf(image);
  const unused = () => Promise.reject(new Error('is not called'));
  const provider: Provider = {
    name: 'first',
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    supportsSize: true,
    controlSequences: [],
    model: () => CATALOG.get('gpt-image-2') ?? null,
    generate: unused,
    download: unused,
  };
  const generate = createGenerate({
    findStoredOriginal: () => Promise.reject(new Error('is not called')),
    upstreams: createUpstreams(
      [{ provider, limits: { concurrency: null, perMinute: null } }],
      clock,
      pino({ level: 'silent' }),
    ),
    callWithFallback: (request) => {
      asked.push(request);
      return Promise.reject(new Error('is down'));
    },
    attemptOnce: unused,
  });
  const signals: JobSignals = { ...job.signals, ...(end && { [end]: AbortSignal.abort() }) };
  await expect(generate({ ...inRun(job, image.run), signals }, image)).rejects.toThrow('is down');
  return asked[0] as Request;
}

describe('generating', () => {
  it('counts the attempts of the present run, and the unknown outcomes of all that share its allowance', async () => {
    const attempts = [attemptOf('a', 1), attemptOf('b', 2), attemptOf('c', 3, { outcome: 'failed', durationMs: 5 })];
    const image: Image = { ...imageIn('queued'), run: 3, allowanceFrom: 2, attempts, requestedAt: LATER };
    const { earlier, run, unknownBefore, requestedAt } = await requestFor(image);
    expect([earlier, run]).toEqual([attempts, 3]);
    expect(unknownBefore).toBe(1);
    expect(requestedAt).toBe(Date.parse(LATER));
  });

  it.each([
    ['cancelled', true],
    ['draining', true],
    [undefined, false],
  ] as const)('ends its waits at `%s`: %s', async (end, ends) => {
    expect((await requestFor(imageIn('queued'), end)).signal.aborted).toBe(ends);
  });
});

describe('paying for one more picture', () => {
  const REJECTION = new ImageError('invalid_image', 'it is blank');
  const ok = (id: string, run = 1): Attempt => attemptOf(id, run, { outcome: 'ok', durationMs: 5 });
  const failed = (id: string): Attempt => attemptOf(id, 1, { outcome: 'failed', durationMs: 5 });
  const processing: Image = { ...imageIn('processing'), attempts: [ok('a')] };

  async function regenerate({
    image = processing,
    rejection = REJECTION,
    regenerateOnReject = true,
    fault = null,
  }: {
    readonly image?: Image;
    readonly rejection?: Error;
    readonly regenerateOnReject?: boolean;
    readonly fault?: Error | null;
  }) {
    const { job } = openJobOf(image);
    const given: Image[] = [];
    const again = createRegenerate({
      async generate(_run, generating) {
        given.push(generating);
        if (fault) throw fault;
        return { image: generating, original: originalOf('b'), bytes: Buffer.from('b') };
      },
      regenerateOnReject,
      maxAttempts: 3,
      clock: { now: () => 0 },
    });
    const result = await again(inRun(job, image.run), image, rejection).catch((error: unknown) => error);
    return { result, given };
  }

  it('sets the rejected one aside and says so, once in a run and within its attempts', async () => {
    const earlier = { ...processing, run: 2, attempts: [ok('z'), ok('y'), ok('a', 2)] };
    for (const image of [processing, { ...processing, attempts: [failed('z'), ok('a')] }, earlier]) {
      const { result, given } = await regenerate({ image });
      expect(given).toMatchObject([{ status: 'generating', original: { sound: false } }]);
      expect(result).toMatchObject({
        original: originalOf('b'),
        image: { warnings: expect.arrayContaining([expect.objectContaining({ code: 'regenerated' })]) },
      });
    }
  });

  it.each([
    ['it was not rejected', { rejection: new ImageError('storage_unavailable', 'the disk is gone') }],
    ['it is not allowed', { regenerateOnReject: false }],
    ['it is the second that was paid for', { image: { ...processing, attempts: [ok('z'), ok('a')] } }],
    ['the attempts are spent', { image: { ...processing, attempts: [failed('y'), failed('z'), ok('a')] } }],
    ['the image is repaired', { image: { ...processing, completedAt: LATER } }],
  ])('raises the rejection where %s', async (_why, options) => {
    const { result, given } = await regenerate(options);
    expect(result).toBe('rejection' in options ? options.rejection : REJECTION);
    expect(given).toEqual([]);
  });

  it('raises the rejection where the budget has no room, and any other failure as it is', async () => {
    const spent = new ImageError('budget_exhausted', 'the budget is spent');
    expect((await regenerate({ fault: spent })).result).toBe(REJECTION);
    const down = new ImageError('provider_unavailable', 'it is down');
    expect((await regenerate({ fault: down })).result).toBe(down);
  });
});
