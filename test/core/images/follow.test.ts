import { describe, expect, test } from 'vitest';
import { createImageEvents } from '../../../src/adapters/events/local.ts';
import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import { fileUrls, toRecord } from '../../../src/core/domain/record.ts';
import { followImage, hasSeenEnd, type ImageEvent } from '../../../src/core/images/follow.ts';
import { exampleImage } from '../../support/app/fake-images.ts';

const CALL: Attempt = {
  id: 'a1',
  run: 1,
  provider: 'openai',
  model: 'gpt-image-2',
  startedAt: '2026-11-23T16:00:02.000Z',
  durationMs: null,
  outcome: 'unknown',
  httpStatus: null,
  providerRequestId: null,
  cost: { usd: 0.04, basis: 'estimate' },
};
const unfinished = { completedAt: null, master: null, renditions: [] };
const queued = exampleImage({ mediaId: 'x', status: 'queued', attempts: [], ...unfinished });
const generating: Image = { ...queued, status: 'generating', attempts: [CALL] };
const processing: Image = {
  ...queued,
  status: 'processing',
  attempts: [{ ...CALL, outcome: 'ok', durationMs: 30_000 }],
};
const succeeded = exampleImage({ mediaId: 'x', attempts: processing.attempts });
const cancelled: Image = { ...queued, status: 'cancelled', completedAt: '2026-11-23T16:00:05.000Z' };

/** An image in the middle of its life, and listeners to it. */
function scene(first: Image | null) {
  const events = createImageEvents();
  const stopping = new AbortController();
  let image = first;
  return {
    events,
    stopping,
    follow(lastEventId: string | null = null, signal = new AbortController().signal) {
      const records = { get: async () => image };
      return followImage({ records, events, urls: fileUrls, stopping: stopping.signal }, 'x', lastEventId, signal);
    },
    become(next: Image | null) {
      image = next;
      events.publish('x', next);
    },
    partial(index: number) {
      events.partialSink('x')?.(Buffer.from(`picture ${index}`), index);
    },
    listened: () => events.partialSink('x') !== undefined,
  };
}

async function take(stream: AsyncIterator<ImageEvent>, count: number) {
  const taken: (ImageEvent | undefined)[] = [];
  for (let index = 0; index < count; index++) {
    const { value, done } = await stream.next();
    taken.push(done ? undefined : (value as ImageEvent));
  }
  return taken;
}

const brief = (events: readonly (ImageEvent | undefined)[]) =>
  events.map((event) => (event?.type === 'status' ? event.data.status : event?.type));

describe('a listener', () => {
  test('is told the state at once, each change, partial pictures, the record, and then no more', async () => {
    const { follow, become, partial, listened } = scene(queued);
    const stream = follow();
    const told = await take(stream, 1);
    for (const step of [() => become(generating), () => partial(0), () => partial(1), () => become(processing)]) {
      step();
      told.push(...(await take(stream, 1)));
    }
    become(succeeded);
    told.push(...(await take(stream, 3)));

    expect(brief(told)).toEqual([
      'queued',
      'generating',
      'partial',
      'partial',
      'processing',
      'succeeded',
      'done',
      undefined,
    ]);
    expect(told[3]?.data).toEqual({
      mediaId: 'x',
      index: 1,
      base64: Buffer.from('picture 1').toString('base64'),
    });
    expect(told[6]?.data).toEqual(toRecord(succeeded, fileUrls));
    const ids = told.slice(0, -1).map((event) => event?.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(listened()).toBe(false);
  });

  test.each<[string, Image, string | null]>([
    ['queued', queued, queued.createdAt],
    ['queued again', { ...queued, run: 2 }, null],
    ['generating', generating, CALL.startedAt],
    ['generating, the second call', { ...generating, attempts: [{ ...CALL }, { ...CALL, id: 'b' }] }, CALL.startedAt],
    ['processing', processing, '2026-11-23T16:00:32.000Z'],
    ['processing what an earlier process received', { ...processing, attempts: [CALL] }, null],
    ['cancelled', cancelled, cancelled.completedAt],
  ])('learns since when it is %s', async (_, image, since) => {
    const [event] = await take(scene(image).follow(), 1);
    expect(event).toMatchObject({ type: 'status', data: { status: image.status, since } });
  });

  test.each([
    ['succeeded', succeeded],
    ['cancelled', cancelled],
  ])('of an image that is %s is told so and let go', async (status, image) => {
    expect(brief(await take(scene(image).follow(), 3))).toEqual([status, 'done', undefined]);
  });

  test.each([
    ['deleted before', null, () => {}],
    ['deleted meanwhile', generating, (become: (image: null) => void) => become(null)],
  ])('of an image that was %s is told so and let go', async (_, image, meanwhile) => {
    const { follow, become, listened } = scene(image);
    const stream = follow();
    if (image !== null) await take(stream, 1);
    meanwhile(become);
    expect(brief(await take(stream, 2))).toEqual(['deleted', undefined]);
    expect(listened()).toBe(false);
  });

  test('that is slow is told the latest state only, and no partial picture of one that is past', async () => {
    const { follow, become, partial } = scene(queued);
    const stream = follow();
    await take(stream, 1);
    become(generating);
    for (let index = 0; index < 1_000; index++) partial(index);
    const [state, picture] = await take(stream, 2);
    expect([state?.type, picture?.data]).toEqual(['status', expect.objectContaining({ index: 999 })]);

    partial(1_000);
    become(processing);
    expect(brief(await take(stream, 1))).toEqual(['processing']);
    const next = take(stream, 3);
    become(succeeded);
    expect(brief(await next)).toEqual(['succeeded', 'done', undefined]);
  });

  test.each([
    ['its client leaves', (_stopping: AbortController, leaving: AbortController) => leaving.abort()],
    ['the service stops', (stopping: AbortController) => stopping.abort()],
  ])('is let go while it waits when %s', async (_, end) => {
    const { follow, stopping, listened } = scene(queued);
    const leaving = new AbortController();
    const stream = follow(null, leaving.signal);
    await take(stream, 1);
    const next = take(stream, 1);
    expect(listened()).toBe(true);
    end(stopping, leaving);
    expect(await next).toEqual([undefined]);
    expect(listened()).toBe(false);
  });

  test('is not told again what it has seen, whichever process asks', async () => {
    const before = await take(scene(generating).follow(), 1);
    const known = before[0]?.id ?? '';
    for (const lastEventId of [known, `${known}.0`]) {
      const { follow, become } = scene(generating);
      const stream = follow(lastEventId);
      const next = take(stream, 1);
      await new Promise((resolve) => setImmediate(resolve));
      become(processing);
      expect(brief(await next)).toEqual(['processing']);
    }
    expect(brief(await take(scene(processing).follow(known), 1))).toEqual(['processing']);
    expect(brief(await take(scene(generating).follow('of another world'), 1))).toEqual(['generating']);
  });

  test('knows the end only of the very record whose end it was told', async () => {
    const [status, done] = await take(scene(succeeded).follow(), 2);
    expect(hasSeenEnd(succeeded, done?.id ?? null)).toBe(true);
    expect(hasSeenEnd(succeeded, status?.id ?? null)).toBe(false);
    expect(hasSeenEnd(succeeded, null)).toBe(false);
    expect(hasSeenEnd({ ...succeeded, createdAt: '2026-11-24T00:00:00.000Z' }, done?.id ?? null)).toBe(false);
    expect(brief(await take(scene(succeeded).follow(status?.id), 2))).toEqual(['done', undefined]);
  });
});

test('partial pictures are wanted while someone listens for them, and shared by all who do', async () => {
  const events = createImageEvents();
  const seen: object[] = [];
  const waiting = events.subscribe('x', { changed: () => {} });
  expect(events.partialSink('x')).toBeUndefined();
  const unsubscribe = [1, 2].map(() =>
    events.subscribe('x', { changed: () => {}, partial: (picture) => void seen.push(picture) }),
  );
  const sink = events.partialSink('x');
  sink?.(Buffer.from('a'), 0);
  expect(seen).toHaveLength(2);
  expect(seen[0]).toBe(seen[1]);
  for (const end of [...unsubscribe, waiting]) end();
  sink?.(Buffer.from('b'), 1);
  expect(seen).toHaveLength(2);
});
