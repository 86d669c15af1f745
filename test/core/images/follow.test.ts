import { describe, expect, test } from 'vitest';
import { createImageEvents } from '../../../src/adapters/events/local.ts';
import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import { createToRecord } from '../../../src/core/domain/record.ts';
import { createFollow, type ImageEvent } from '../../../src/core/images/follow.ts';
import { exampleImage, exampleRecord, RECORD_DEPS } from '../../support/app/fake-images.ts';
import { collectGarbage } from '../../support/collect-garbage.ts';

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
  announced: null,
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

/** An image that was found as `found`, and streams of its events; with `stored` null it was deleted right after. */
function scene(found: Image, stored: Image | null = found, runningCalls: ReadonlySet<string> = new Set()) {
  const events = createImageEvents();
  const call = events.openPartials({ mediaId: 'x', owner: 'anonymous' });
  const ending = new AbortController();
  let image = stored;
  const records = { get: async () => image };
  const record = createToRecord({ ...RECORD_DEPS, runningCalls });
  const followImage = createFollow({ records, events, toRecord: record, ending: ending.signal });
  return {
    ending,
    follow(lastEventId: string | null = null, signal = new AbortController().signal) {
      const stream = followImage(image ?? found, lastEventId, signal);
      if (stream === null) throw new Error('the stream has ended already');
      return stream;
    },
    hasEnded: (lastEventId: string | null) =>
      followImage(image ?? found, lastEventId, new AbortController().signal) === null,
    become(next: Image | null) {
      image = next;
      events.publish('x', next);
    },
    partial(index: number) {
      call.sink(Buffer.from(`picture ${index}`), index);
    },
    isSubscribed: () => events.wantsPartials('x'),
  };
}

async function take(stream: AsyncIterator<ImageEvent>, count: number) {
  const events: (ImageEvent | undefined)[] = [];
  for (let index = 0; index < count; index++) {
    const { value, done } = await stream.next();
    events.push(done ? undefined : (value as ImageEvent));
  }
  return events;
}

/** Statuses and types of events. */
const brief = (events: readonly (ImageEvent | undefined)[]) =>
  events.map((event) => (event?.type === 'status' ? event.data.status : event?.type));

describe('an event stream', () => {
  test('yields the state at once, each change, partial pictures, the final record, and then ends', async () => {
    const { follow, become, partial, isSubscribed } = scene(queued);
    const stream = follow();
    const received = await take(stream, 1);
    for (const step of [() => become(generating), () => partial(0), () => partial(1), () => become(processing)]) {
      step();
      received.push(...(await take(stream, 1)));
    }
    become(succeeded);
    received.push(...(await take(stream, 3)));

    expect(brief(received)).toEqual([
      'queued',
      'generating',
      'partial',
      'partial',
      'processing',
      'succeeded',
      'done',
      undefined,
    ]);
    expect(received[3]?.data).toEqual({
      mediaId: 'x',
      index: 1,
      base64: Buffer.from('picture 1').toString('base64'),
    });
    expect(received[6]?.data).toEqual(await exampleRecord(succeeded));
    const ids = received.slice(0, -1).map((event) => event?.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await isSubscribed()).toBe(false);
  });

  test.each<[string, Image, string | null]>([
    ['queued', queued, queued.createdAt],
    ['queued again', { ...queued, run: 2, requestedAt: '2026-11-24T08:00:00.000Z' }, '2026-11-24T08:00:00.000Z'],
    ['generating', generating, CALL.startedAt],
    ['generating, the second call', { ...generating, attempts: [{ ...CALL }, { ...CALL, id: 'b' }] }, CALL.startedAt],
    ['processing', processing, '2026-11-23T16:00:32.000Z'],
    ['processing what an earlier process received', { ...processing, attempts: [CALL] }, CALL.startedAt],
    ['cancelled', cancelled, cancelled.completedAt],
  ])('reports the time at which the image became %s', async (_, image, since) => {
    const [event] = await take(scene(image).follow(), 1);
    expect(event).toMatchObject({ type: 'status', data: { status: image.status, since } });
  });

  test.each([
    ['succeeded', succeeded],
    ['cancelled', cancelled],
  ])('of an image that is %s yields its final events and ends', async (status, image) => {
    expect(brief(await take(scene(image).follow(), 3))).toEqual([status, 'done', undefined]);
  });

  test.each([
    ['before the subscription', null, () => {}],
    ['during the stream', generating, (become: (image: null) => void) => become(null)],
  ])('of an image deleted %s gets that event and ends', async (_, stored, meanwhile) => {
    const { follow, become, isSubscribed } = scene(generating, stored);
    const stream = follow();
    if (stored !== null) await take(stream, 1);
    meanwhile(become);
    expect(brief(await take(stream, 2))).toEqual(['deleted', undefined]);
    expect(await isSubscribed()).toBe(false);
  });

  test.each<[string, Image]>([
    ["another key's", { ...queued, owner: 'shop' }],
    ['a new one', { ...queued, createdAt: '2026-11-24T16:00:00.000Z' }],
  ])('of an image whose mediaId is that of %s by now gets `deleted`, and nothing of the other', async (_, other) => {
    const during = scene(generating);
    const stream = during.follow();
    await take(stream, 1);
    // Before the reader took the deletion.
    during.become(null);
    during.become(other);
    expect(brief(await take(stream, 2))).toEqual(['deleted', undefined]);

    const { follow, become } = scene(generating);
    const late = follow();
    become(other);
    expect(brief(await take(late, 2))).toEqual(['deleted', undefined]);
  });

  test('begins with the newest partial picture after the state, but for a client that has it already', async () => {
    const { follow, partial, become } = scene(generating);
    for (const index of [0, 1]) partial(index);
    const [state, picture] = await take(follow(), 2);
    expect([state?.type, picture?.data]).toEqual(['status', expect.objectContaining({ index: 1 })]);

    const again = follow(picture?.id);
    const next = take(again, 1);
    await new Promise(setImmediate);
    become(processing);
    expect(brief(await next)).toEqual(['processing']);
  });

  test('skips to the latest state for a slow reader, and drops partial pictures of an earlier one', async () => {
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
    ['its client leaves', (_ending: AbortController, leaving: AbortController) => leaving.abort()],
    ['the service ends', (ending: AbortController) => ending.abort()],
  ])('ends while it waits when %s', async (_, end) => {
    const { follow, ending, isSubscribed } = scene(queued);
    const leaving = new AbortController();
    const stream = follow(null, leaving.signal);
    await take(stream, 1);
    const next = take(stream, 1);
    expect(await isSubscribed()).toBe(true);
    end(ending, leaving);
    expect(await next).toEqual([undefined]);
    expect(await isSubscribed()).toBe(false);
  });

  test('does not repeat what the last event id names, also in another process', async () => {
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
    expect(brief(await take(scene(generating).follow('unknown'), 1))).toEqual(['generating']);
  });

  test('shows the calls of this process as running, under the id that the state has in every process', async () => {
    const here = await take(scene(generating, generating, new Set([CALL.id])).follow(), 1);
    const elsewhere = await take(scene(generating).follow(), 1);
    expect([here, elsewhere].map(([event]) => event?.data)).toMatchObject([
      { attempts: [{ outcome: 'running' }] },
      { attempts: [{ outcome: 'unknown' }] },
    ]);
    expect(here[0]?.id).toBe(elsewhere[0]?.id);

    const late = { ...cancelled, attempts: [CALL] };
    const ended = await take(scene(late, late, new Set([CALL.id])).follow(), 2);
    expect(ended[1]?.data).toMatchObject({ status: 'cancelled', attempts: [{ outcome: 'running' }] });
    expect(scene(late).hasEnded(ended[1]?.id ?? null)).toBe(true);
  });

  test('has ended only after the final event of the very record it is about', async () => {
    const [status, done] = await take(scene(succeeded).follow(), 2);
    expect(scene(succeeded).hasEnded(done?.id ?? null)).toBe(true);
    expect(scene(succeeded).hasEnded(status?.id ?? null)).toBe(false);
    expect(scene(succeeded).hasEnded(null)).toBe(false);
    const changed = { ...succeeded, createdAt: '2026-11-24T00:00:00.000Z' };
    expect(scene(changed).hasEnded(done?.id ?? null)).toBe(false);
    expect(scene(generating).hasEnded(done?.id ?? null)).toBe(false);
    expect(brief(await take(scene(succeeded).follow(status?.id), 2))).toEqual(['done', undefined]);
  });
});

test('streams that have ended leave nothing behind, although their signals never fire', async () => {
  const { follow } = scene(succeeded);
  const { signal } = new AbortController();
  const grown = async (streams: number) => {
    for (let n = 0; n < streams; n++) await take(follow(null, signal), 3);
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = await grown(200);
  expect((await grown(2_000)) - before).toBeLessThan(1_000_000);
});
