import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { type EventStream, openEventStream, type ReceivedEvent } from '../support/network/event-stream.ts';
import { hang, picture } from '../support/openai/answers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';

const ASYNC = { prefer: 'respond-async' };
const prompt = 'a lighthouse';

// Heartbeats, and the minute for which the feed goes on without a reader, are not to be skipped.
const start = (options: Parameters<typeof startEasel>[0] = {}) => startEasel({ skipMs: 4_000, ...options });

/** Follows all images, as this key, from an id on. */
async function follow({ url }: Easel, { lastEventId, key }: { lastEventId?: string | undefined; key?: string } = {}) {
  const stream = await openEventStream(`${url}/events`, lastEventId, key === undefined ? {} : bearer(key));
  const first = await stream.nextFrame();
  return Object.assign(stream, { id: String(first?.id) });
}

/** The events up to the first one about which `isLast` holds, that included. */
async function upTo(stream: EventStream, isLast: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  for (let event = await stream.next(); event !== null; event = await stream.next()) {
    events.push(event);
    if (isLast(event)) return events;
  }
  throw new Error('the stream has ended');
}

const brief = (events: readonly ReceivedEvent[]) =>
  events.map(({ event, data }) => {
    const what = event === 'status' ? String(data?.status) : String(event);
    return data?.mediaId === undefined ? what : `${data.mediaId} ${what}`;
  });
const isDone = ({ event }: ReceivedEvent) => event === 'done';

describe('GET /events', () => {
  it('tells of a picture from its acceptance to its deletion, what a PATCH changes included', async () => {
    await using easel = await start();
    await using stream = await follow(easel);
    await easel.post({ mediaId: 'x', prompt });
    const made = await upTo(stream, isDone);
    expect(brief(made)).toEqual(['x created', 'x generating', 'x processing', 'x done']);
    expect(made.at(-1)?.data).toEqual(await easel.record('x'));

    const change = (method: string, body?: string) =>
      fetch(`${easel.url}/images/x`, {
        method,
        ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body }),
      });
    await change('PATCH', '{"labels":["blog"]}');
    expect(await stream.next()).toMatchObject({ event: 'changed', data: { mediaId: 'x', labels: ['blog'] } });
    await change('DELETE');
    expect(await stream.next()).toMatchObject({ event: 'deleted', data: { mediaId: 'x' } });
  });

  it('shows the partial pictures that a request asks for, with nobody else listening', async () => {
    await using easel = await start();
    await using stream = await follow(easel);
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ drip: { pause: gate } }));
    await easel.post({ mediaId: 'x', prompt, partials: 2 }, ASYNC);
    const first = await upTo(stream, ({ event }) => event === 'partial');
    expect(brief(first)).toEqual(['x created', 'x generating', 'x partial']);
    // Who comes now gets it at once.
    await using late = await follow(easel);
    expect(await late.next()).toMatchObject({ event: 'partial', data: first.at(-1)?.data });
    gate.open();
    await upTo(stream, isDone);
    await easel.post({ mediaId: 'y', prompt: 'another' });
    // It makes no model stream by itself.
    expect(easel.upstream.calls.map(({ body }) => body.partial_images)).toEqual([2, undefined]);
  });

  it('tells of cancels, failures, retries and cleanups', async () => {
    await using easel = await start();
    await using stream = await follow(easel);
    easel.upstream.script(hang());
    await easel.post({ mediaId: 'x', prompt }, ASYNC);
    await easel.upstream.received(1);
    await easel.cancel('x');
    const cancelled = await upTo(stream, isDone);
    expect(cancelled.at(-1)).toMatchObject({ event: 'done', data: { status: 'cancelled' } });
    await easel.retry('x');
    const again = await upTo(stream, isDone);
    expect(again.map(({ event }) => event)).toContain('status');
    expect(again.at(-1)).toMatchObject({ event: 'done', data: { mediaId: 'x', status: 'succeeded' } });
    await fetch(`${easel.url}/cleanup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ olderThan: '0s' }),
    });
    expect((await upTo(stream, ({ event }) => event === 'deleted')).at(-1)).toMatchObject({ data: { mediaId: 'x' } });
  });

  it('shows to each key what its own name made, and to one that sees all everything', async () => {
    await using easel = await start({ env: { API_KEYS: TEST_KEYS } });
    const [blog, page, shop, desk] = await Promise.all([
      follow(easel, { key: 'blog' }),
      follow(easel, { key: 'blog-page' }),
      follow(easel, { key: 'shop' }),
      follow(easel, { key: 'desk' }),
    ]);
    await easel.post({ mediaId: 'of-blog', prompt }, bearer('blog'));
    await easel.post({ mediaId: 'of-shop', prompt }, bearer('shop'));
    await fetch(`${easel.url}/images/of-blog`, { method: 'DELETE', headers: bearer('blog') });
    await easel.post({ mediaId: 'last', prompt: 'another' }, bearer('shop'));
    await easel.post({ mediaId: 'last-of-blog', prompt: 'another' }, bearer('blog'));
    const isEnd = ({ event, data }: ReceivedEvent) => event === 'done' && data?.mediaId === 'last-of-blog';
    const all = brief(await upTo(desk, isEnd));
    const ofBlog = all.filter((text) => !/^(of-shop|last) /.test(text));
    expect(ofBlog).toContain('of-blog deleted');
    expect([brief(await upTo(blog, isEnd)), brief(await upTo(page, isEnd))]).toEqual([ofBlog, ofBlog]);
    const ofShop = await upTo(shop, ({ event, data }) => event === 'done' && data?.mediaId === 'last');
    expect(brief(ofShop)).toEqual(all.filter((text) => /^(of-shop|last) /.test(text)));
    await Promise.all([blog, page, shop, desk].map((stream) => stream[Symbol.asyncDispose]()));
  });

  it('shows URLs that open where pictures are private, also to who comes back, or says reset', async () => {
    await using easel = await start({
      env: { API_KEYS: TEST_KEYS, MEDIA_ACCESS: 'private', MEDIA_URL_SECONDS: '600' },
    });
    await using stream = await follow(easel, { key: 'blog' });
    await easel.post({ mediaId: 'x', prompt }, bearer('blog'));
    await upTo(stream, isDone);
    easel.clock.advance(200_000);
    await using back = await follow(easel, { key: 'blog-page', lastEventId: stream.id });
    const done = (await upTo(back, isDone)).at(-1);
    const record = done?.data as unknown as ImageRecord;
    for (const signed of [record.url, record.versionedUrl, record.thumbnail?.url, record.thumbnail?.versionedUrl]) {
      expect(signed).toContain('signature=');
      expect((await easel.get(signed ?? '')).status).toBe(200);
    }
    easel.clock.advance(200_000);
    await using late = await follow(easel, { key: 'blog-page', lastEventId: stream.id });
    expect(await late.next()).toMatchObject({ event: 'reset', data: { reason: 'events_missed' } });
  });

  it('resumes after each event without loss or repeat', async () => {
    await using easel = await start();
    const stream = await follow(easel);
    await easel.post({ mediaId: 'x', prompt });
    const seen = await upTo(stream, isDone);
    await stream[Symbol.asyncDispose]();
    await easel.post({ mediaId: 'y', prompt: 'another' });
    const isEnd = ({ event, data }: ReceivedEvent) => event === 'done' && data?.mediaId === 'y';
    await using back = await follow(easel, { lastEventId: stream.id });
    const all = await upTo(back, isEnd);
    expect(all.slice(0, seen.length)).toEqual(seen);
    for (const [index, { id }] of all.slice(0, -1).entries()) {
      await using from = await follow(easel, { lastEventId: id });
      expect(await upTo(from, isEnd)).toEqual(all.slice(index + 1));
    }
  });

  it('ends when the service stops, and says reset to who comes back to the next one', async () => {
    await using folder = await temporaryFolder();
    const easel = await start({ folder: folder.path });
    const stream = await follow(easel);
    await easel.post({ mediaId: 'x', prompt });
    const [created] = await upTo(stream, isDone);
    await easel[Symbol.asyncDispose]();
    expect(await stream.rest()).toEqual([]);
    await using next = await start({ folder: folder.path });
    await using back = await follow(next, { lastEventId: created?.id });
    expect(await back.next()).toMatchObject({ event: 'reset', data: { reason: 'unknown_id' } });
    await next.post({ mediaId: 'y', prompt: 'another' });
    expect(brief(await upTo(back, isDone)).at(-1)).toBe('y done');
  });
});
