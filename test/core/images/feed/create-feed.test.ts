import { describe, expect, it } from 'vitest';
import { createImageEvents } from '../../../../src/adapters/events/local.ts';
import type { Image } from '../../../../src/core/domain/image.ts';
import { changeOf } from '../../../../src/core/domain/image-change.ts';
import { ANONYMOUS, type Caller } from '../../../../src/core/domain/request.ts';
import { createFeed } from '../../../../src/core/images/feed/create-feed.ts';
import type { FeedEvent } from '../../../../src/core/images/feed.ts';
import { exampleImage, exampleRecord } from '../../../support/app/fake-images.ts';
import { createManualClock } from '../../../support/test-clock.ts';
import { until } from '../../../support/until.ts';

const BLOG: Caller = { name: 'blog', seesAll: false, admin: false };

function scene() {
  const local = createImageEvents();
  const clock = createManualClock();
  const ending = new AbortController();
  const made: string[] = [];
  let ids = 0;
  const openFeed = createFeed({
    events: local,
    toRecord: async (image) => {
      made.push(image.mediaId);
      return await exampleRecord(image);
    },
    clock,
    newId: () => `feed${++ids}`,
    ending: ending.signal,
  });
  const stored = new Map<string, Image>();
  return {
    local,
    clock,
    ending,
    made,
    /** Stores the image, or deletes it, and announces that. */
    become(mediaId: string, next: Partial<Image> | null) {
      const before = stored.get(mediaId) ?? null;
      const after = next && { ...(before ?? exampleImage({ mediaId, owner: 'blog' })), ...next };
      if (after) stored.set(mediaId, after);
      else stored.delete(mediaId);
      const change = changeOf(before, after);
      if (change) local.announce(change);
    },
    open(lastEventId: string | null = null, caller: Caller = ANONYMOUS) {
      const leaving = new AbortController();
      const { id, events } = openFeed(caller, lastEventId, leaving.signal);
      const next = async () => (await events.next()).value as FeedEvent;
      const take = async (count: number) => {
        const taken: FeedEvent[] = [];
        while (taken.length < count) taken.push(await next());
        return taken;
      };
      return { id, events, next, take, leave: () => leaving.abort() };
    },
  };
}

const brief = (events: readonly FeedEvent[]) =>
  events.map(({ type, data }) => ('mediaId' in data ? `${data.mediaId} ${type}` : type));

describe('the feed', () => {
  it('has every change of an image, with the record, its progress or its mediaId', async () => {
    const { open, become } = scene();
    const { take } = open();
    become('a', { status: 'queued' });
    become('a', { status: 'generating' });
    become('a', { status: 'succeeded' });
    become('a', { thumbhash: 'x' });
    become('a', null);
    const events = await take(5);
    expect(brief(events)).toEqual(['a created', 'a status', 'a done', 'a changed', 'a deleted']);
    const [created, status, done, changed, deleted] = events.map(({ data }) => data);
    expect(created).toMatchObject({ status: 'queued', prompt: 'a lighthouse' });
    expect(Object.keys(status ?? {}).toSorted()).toEqual(
      ['attempts', 'completedAt', 'createdAt', 'mediaId', 'provider', 'since', 'status'].toSorted(),
    );
    expect([done, changed]).toMatchObject([{ status: 'succeeded' }, { thumbhash: 'x' }]);
    expect(deleted).toEqual({ mediaId: 'a' });
    expect(new Set(events.map(({ id }) => id)).size).toBe(5);
  });

  it('begins with what happens next', async () => {
    const { open, become } = scene();
    open();
    become('a', {});
    const { next } = open();
    become('b', {});
    expect(brief([await next()])).toEqual(['b created']);
  });

  it('has images of the caller’s own name alone, unless it sees all: deletions and partial pictures too', async () => {
    const { open, become, local } = scene();
    const [own, all] = [open(null, BLOG), open(null, { ...BLOG, name: 'desk', seesAll: true })];
    become('s', { owner: 'shop' });
    using _theirs = sinking(local, 's', 'shop');
    become('s', null);
    become('a', { owner: 'blog' });
    // Made again under the mediaId of another key's.
    become('s', { owner: 'blog' });
    using _own = sinking(local, 'a', 'blog');
    expect(brief(await own.take(3))).toEqual(['a created', 's created', 'a partial']);
    expect(brief((await all.take(5)).filter(({ type }) => type !== 'partial'))).toEqual([
      's created',
      's deleted',
      'a created',
      's created',
    ]);
  });

  it('resumes after each event without loss or repeat, and after no event by its own id', async () => {
    const { open, become } = scene();
    const stays = open();
    const changes = [{ status: 'queued' }, { status: 'generating' }, { status: 'failed' }, { run: 2 }] as const;
    for (const change of changes) become('a', change);
    const all = await stays.take(4);
    const ids = [stays.id, ...all.map(({ id }) => id)];
    for (const [index, id] of ids.slice(0, -1).entries()) {
      expect(await open(id).take(4 - index)).toEqual(all.slice(index));
    }
    const last = open(ids.at(-1));
    become('a', null);
    expect(brief([await last.next()])).toEqual(['a deleted']);
  });

  it('gives a late reader the newest partial picture of a running call, and none that a reader has had already', async () => {
    const { open, become, local } = scene();
    const early = open();
    const call = local.openPartials({ mediaId: 'a', owner: 'blog' });
    call.sink(Buffer.from('1'), 0);
    const [first] = await early.take(1);
    call.sink(Buffer.from('2'), 1);
    call.sink(Buffer.from('3'), 2);
    const late = open();
    expect((await late.next()).data).toMatchObject({ index: 2 });
    // The slow reader is spared the second one.
    const again = open(first?.id);
    expect([await early.next(), await again.next()]).toMatchObject([{ data: { index: 2 } }, { data: { index: 2 } }]);
    call[Symbol.dispose]();
    become('b', {});
    const after = open();
    become('c', {});
    expect(brief([await after.next()])).toEqual(['c created']);
    expect(brief(await late.take(2))).toEqual(['b created', 'c created']);
  });

  it('begins with the newest partial picture of a call that runs when the first reader comes', async () => {
    const { open, local } = scene();
    using _call = sinking(local, 'a', 'blog');
    expect(brief([await open().next()])).toEqual(['a partial']);
  });

  it('says reset for an id of another process or time, or that it has not given', async () => {
    const { open, become } = scene();
    const { id } = open();
    const [feed = ''] = id.split('.');
    const strange = [
      'other.0.0',
      'feed0.0.0',
      `${feed}.7.0`,
      `${feed}.0.7`,
      `${feed}.-1.0`,
      `${feed}.0`,
      `${id}.0`,
      `${feed}.x.0`,
      `${feed}..`,
      `${feed}.0x0.0`,
      `${feed}.0. `,
      `${feed}.NaN.0`,
      feed,
    ];
    for (const unknown of [...strange, 'nonsense', '…']) {
      const reader = open(unknown);
      expect(await reader.next()).toMatchObject({ type: 'reset', data: { reason: 'unknown_id' } });
      become('a', { thumbhash: unknown });
      expect((await reader.next()).data).toMatchObject({ thumbhash: unknown });
    }
  });

  it('keeps nothing for a slow reader, which gets reset, and then what comes after that', async () => {
    const { open, become } = scene();
    const slow = open();
    const [before] = [slow.id];
    for (let count = 0; count < 1_500; count += 1) become('a', { thumbhash: `x${count}` });
    const reset = await slow.next();
    expect(reset).toMatchObject({ type: 'reset', data: { reason: 'events_missed' } });
    become('b', {});
    expect(brief([await slow.next()])).toEqual(['b created']);
    expect(await open(before).next()).toMatchObject({ type: 'reset', data: { reason: 'events_missed' } });
    expect(brief([await open(reset.id).next()])).toEqual(['b created']);
  });

  it('says reset to all where changes may have been missed, and to who comes back after more than 15 minutes', async () => {
    const { open, become, local, clock } = scene();
    const [one, other] = [open(), open()];
    become('a', {});
    local.missed();
    for (const reader of [one, other]) expect(await reader.next()).toMatchObject({ type: 'reset' });
    become('b', {});
    const [event] = await one.take(1);
    become('c', {});
    clock.move(16 * 60_000);
    expect(await open(event?.id).next()).toMatchObject({ type: 'reset', data: { reason: 'events_missed' } });
  });

  it('makes each record once for a hundred readers', async () => {
    const { open, become, made } = scene();
    const readers = Array.from({ length: 100 }, () => open());
    become('a', {});
    const events = await Promise.all(readers.map((reader) => reader.next()));
    expect(made).toEqual(['a']);
    expect(new Set(events.map(({ data }) => data)).size).toBe(1);
  });

  it('listens from its first reader until a minute after the last, so that who comes back within that misses nothing', async () => {
    const { open, become, local, clock } = scene();
    expect(local.areAllListened()).toBe(false);
    const { id, leave } = open();
    leave();
    leave();
    become('a', {});
    clock.move(59_000);
    const back = open(id);
    expect(brief([await back.next()])).toEqual(['a created']);
    // The minute counts from the last one that leaves, which need not have read anything.
    clock.move(59_000);
    const idle = open();
    back.leave();
    idle.leave();
    clock.move(59_000);
    expect(local.areAllListened()).toBe(true);
    clock.move(1_000);
    await until(() => !local.areAllListened());
    expect(await open(id).next()).toMatchObject({ type: 'reset', data: { reason: 'unknown_id' } });
  });

  it('ends for a reader that leaves, and for all when the service ends', async () => {
    const { open, ending, local } = scene();
    const [leaving, staying] = [open(), open()];
    const ended = leaving.events.next();
    leaving.leave();
    expect(await ended).toEqual({ value: undefined, done: true });
    const last = staying.events.next();
    ending.abort();
    expect(await last).toEqual({ value: undefined, done: true });
    expect(local.areAllListened()).toBe(false);
    expect((await open().events.next()).done).toBe(true);
  });
});

/** A running call with one partial picture. */
function sinking(local: ReturnType<typeof createImageEvents>, mediaId: string, owner: string) {
  const call = local.openPartials({ mediaId, owner });
  call.sink(Buffer.from('picture'), 0);
  return call;
}
