import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openPostgresEvents, type PostgresImageEvents } from '../../../src/adapters/events/postgres.ts';
import { createStoredPartials } from '../../../src/adapters/events/stored-partials.ts';
import { createWatchers } from '../../../src/adapters/events/watchers.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { createFollow, type ImageEvent } from '../../../src/core/images/follow.ts';
import { createWait } from '../../../src/core/images/wait.ts';
import type { PartialPicture } from '../../../src/core/ports/image-events.ts';
import { describeImageEvents, recorderOfAll } from '../../contracts/image-events.ts';
import { exampleImage, exampleRecord } from '../../support/app/fake-images.ts';
import { openReplica, type TestReplica } from '../../support/postgres/replica.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';

/** Records that all replicas share, and how often each mediaId was read. */
function fakeRecords() {
  const stored = new Map<string, Image>();
  const reads: string[] = [];
  return {
    stored,
    reads,
    /** Called before a read returns what it has found. */
    beforeReturn: async () => {},
    async get(mediaId: string) {
      reads.push(mediaId);
      const found = stored.get(mediaId) ?? null;
      await this.beforeReturn();
      return found;
    },
  };
}

let test: TestDatabase;
let replicas: TestReplica[];

beforeAll(async () => {
  test = await createTestDatabase();
  replicas = [await openReplica(test), await openReplica(test)];
});
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica[Symbol.asyncDispose]()));
  await test.drop();
});

describeImageEvents('PostgreSQL', async () => {
  let events: PostgresImageEvents;
  return {
    async open() {
      events = await openPostgresEvents({ ...(replicas[0] as TestReplica), records: fakeRecords() });
      return events;
    },
    dispose: () => events.close(),
  };
});

describe('events between replicas', () => {
  let here: PostgresImageEvents;
  let there: PostgresImageEvents;
  let records: ReturnType<typeof fakeRecords>;

  beforeEach(async () => {
    records = fakeRecords();
    const [a, b] = replicas as [TestReplica, TestReplica];
    here = await openPostgresEvents({ ...a, records });
    there = await openPostgresEvents({ ...b, records });
    return async () => {
      await here.close();
      await there.close();
    };
  });

  const sender = () => (replicas[1] as TestReplica).instance;
  const notify = (mediaId: string, instance = sender(), more: object = {}) =>
    test.query("SELECT pg_notify('easel_images', $1)", [JSON.stringify({ mediaId, instance, ...more })]);
  /** Stores an image, and sends the notice of the record store of the other replica. */
  async function change(mediaId: string, status: Image['status'] | null, instance?: string): Promise<void> {
    if (status === null) records.stored.delete(mediaId);
    else records.stored.set(mediaId, exampleImage({ mediaId, status }));
    await notify(mediaId, instance);
  }
  function listen(events: PostgresImageEvents, mediaId: string) {
    const changes: (Image['status'] | null)[] = [];
    const unsubscribe = events.subscribe(mediaId, { changed: (image) => void changes.push(image?.status ?? null) });
    return { changes, unsubscribe };
  }
  function takePartials(events: PostgresImageEvents, mediaId: string) {
    const partials: PartialPicture[] = [];
    const partial = (picture: PartialPicture) => void partials.push(picture);
    return { partials, unsubscribe: events.subscribe(mediaId, { changed: () => undefined, partial }) };
  }

  it('reads the record again after a change elsewhere, where somebody listens, and passes over its own notices', async () => {
    const { changes } = listen(here, 'a');
    await change('a', 'generating');
    await until(() => changes.length === 1);
    for (const payload of ['nonsense', '{}', 'null']) {
      await test.query("SELECT pg_notify('easel_images', $1)", [payload]);
    }
    await change('b', 'generating');
    await change('a', 'processing', replicas[0]?.instance);
    await change('a', null);
    await until(() => changes.at(-1) === null);
    expect(changes).toEqual(['generating', null]);
    expect(records.reads).toEqual(['a', 'a']);
  });

  describe('for those who listen to all images', () => {
    /** What a listener here hears, in short. */
    function listenToAll(events = here) {
      const { heard, listener } = recorderOfAll();
      const unsubscribe = events.subscribeToAll({
        ...listener,
        changed: ({ mediaId, kind, owner, image }) =>
          heard.push([mediaId, kind, owner, image?.status].join(' ').trim()),
      });
      return { heard, unsubscribe };
    }
    const store = (mediaId: string, more: Partial<Image> = {}) =>
      records.stored.set(mediaId, exampleImage({ mediaId, owner: 'blog', ...more }));
    const tell = (mediaId: string, kind: string | null, owner = 'blog') => notify(mediaId, sender(), { kind, owner });
    /** Resolves when the notices so far have been heard: they come in order, and reads of other images end at once. */
    async function heardAll(): Promise<void> {
      const marker = listen(here, 'marker');
      await tell('marker', null);
      await until(() => marker.changes.length > 0);
      marker.unsubscribe();
    }

    it('each change elsewhere is read once for all of them, and comes with the owner', async () => {
      const listeners = Array.from({ length: 100 }, () => listenToAll());
      store('a', { status: 'queued' });
      await tell('a', 'created');
      await until(() => listeners[99]?.heard.length === 1);
      store('a', { status: 'generating' });
      await tell('a', 'status');
      await until(() => listeners[99]?.heard.length === 2);
      store('a');
      await tell('a', 'done');
      await until(() => listeners[99]?.heard.length === 3);
      await tell('a', 'changed');
      await until(() => listeners[99]?.heard.length === 4);
      await tell('a', null);
      records.stored.delete('a');
      await tell('a', 'deleted');
      await until(() => listeners[99]?.heard.length === 5);
      for (const { heard } of listeners) {
        expect(heard).toEqual([
          'a created blog queued',
          'a status blog generating',
          'a done blog succeeded',
          'a changed blog succeeded',
          'a deleted blog',
        ]);
      }
      expect(records.reads).toEqual(['a', 'a', 'a', 'a']);
    });

    it('nothing is read where there is none, nor after the last has left', async () => {
      store('a');
      await tell('a', 'created');
      const { heard, unsubscribe } = listenToAll();
      const reading = Promise.withResolvers<void>();
      records.beforeReturn = () => reading.promise;
      await tell('a', 'changed');
      await until(() => records.reads.length === 1);
      unsubscribe();
      reading.resolve();
      records.beforeReturn = async () => {};
      await tell('a', 'done');
      await heardAll();
      expect([heard, records.reads.filter((mediaId) => mediaId === 'a')]).toEqual([[], ['a']]);
    });

    it('changes that follow closely come as the image stands, created and done each', async () => {
      const { heard } = listenToAll();
      const reading = Promise.withResolvers<void>();
      records.beforeReturn = () => reading.promise;
      store('a', { status: 'queued' });
      await tell('a', 'created');
      await until(() => records.reads.length === 1);
      store('a');
      for (const kind of ['status', 'status', 'done', 'changed']) await tell('a', kind);
      listen(here, 'other');
      await tell('other', null);
      await until(() => records.reads.includes('other'));
      reading.resolve();
      await until(() => heard.length >= 2);
      await heardAll();
      expect(heard).toEqual(['a created blog succeeded', 'a done blog succeeded']);
    });

    it('a deletion goes to the owner that the notice names, and a new image under the mediaId to its own', async () => {
      const { heard } = listenToAll();
      const reading = Promise.withResolvers<void>();
      store('a');
      records.beforeReturn = () => reading.promise;
      await tell('a', 'changed');
      await until(() => records.reads.length === 1);
      await tell('a', 'deleted');
      store('a', { owner: 'shop', status: 'queued' });
      await tell('a', 'created', 'shop');
      await until(() => heard.length === 1);
      reading.resolve();
      await until(() => heard.length === 2);
      await heardAll();
      expect(heard).toEqual(['a deleted blog', 'a created shop queued']);
    });

    it('a change here is announced at once, and none that was read before it comes after it', async () => {
      const { heard } = listenToAll();
      const reading = Promise.withResolvers<void>();
      records.beforeReturn = () => reading.promise;
      store('a', { status: 'queued' });
      await tell('a', 'status');
      await until(() => records.reads.length === 1);
      const image = exampleImage({ mediaId: 'a', owner: 'blog' });
      records.stored.set('a', image);
      here.announce({ kind: 'done', mediaId: 'a', owner: 'blog', image });
      expect(heard).toEqual(['a done blog succeeded']);
      reading.resolve();
      await heardAll();
      expect(heard).toEqual(['a done blog succeeded']);
    });

    it('a notice of an older version, which names neither kind nor owner, comes as a change, or as one that was missed', async () => {
      const { heard } = listenToAll();
      store('a');
      await notify('a');
      await until(() => heard.length === 1);
      records.stored.delete('a');
      await notify('a');
      await until(() => heard.length === 2);
      expect(heard).toEqual(['a changed blog succeeded', 'missed']);
    });

    it('changes may have been missed after a lost connection, or where another replica could not announce one', async () => {
      const { heard } = listenToAll();
      await replicas[0]?.loseSession();
      await until(() => heard.includes('missed'));
      heard.length = 0;
      there.missed();
      await until(() => heard.length === 1);
      expect(heard).toEqual(['missed']);
    });

    it('changes may have been missed when a replica is gone', async () => {
      const events = await openPostgresEvents({ ...(replicas[0] as TestReplica), records, rereadMs: 20 });
      const enter = (seen: string) =>
        test.query(
          `INSERT INTO easel.instances VALUES ('00000000-0000-4000-8000-000000000001', '1', 'all', '{}', now(), ${seen})
          ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`,
        );
      await enter('now()');
      const { heard } = listenToAll(events);
      // The first look has found it once a later one could miss it.
      await until(async () => {
        await enter("now() - interval '1 minute'");
        await delay(50);
        if (heard.length > 0) return true;
        await enter('now()');
        await delay(50);
        return heard.length > 0;
      });
      expect(heard[0]).toBe('missed');
      await test.query('DELETE FROM easel.instances');
      await events.close();
    });

    it('partial pictures of calls elsewhere come with their owners, the newest also to who comes late, and none after the call', async () => {
      const { heard, unsubscribe } = listenToAll();
      const call = there.openPartials({ mediaId: 'p', owner: 'blog' });
      call.sink(Buffer.from('1'), 0);
      await until(() => heard.includes('blog p 0'));
      const late = listenToAll();
      expect(late.heard).toEqual(['blog p 0']);
      unsubscribe();
      late.unsubscribe();
      call.sink(Buffer.from('2'), 1);
      await until(async () => (await test.query('SELECT FROM easel.partials WHERE index = 1')).length === 1);
      // The first one after a while without any.
      const first = listenToAll();
      await until(() => first.heard.includes('blog p 1'));
      call[Symbol.dispose]();
      await until(() => first.heard.includes('p ended'));
      expect(await there.wantsPartials('p')).toBe(false);
    });
  });

  it('hears of a change that no notice came of', async () => {
    const events = await openPostgresEvents({ ...(replicas[0] as TestReplica), records, rereadMs: 20 });
    const { changes } = listen(events, 'a');
    records.stored.set('a', exampleImage({ mediaId: 'a', status: 'succeeded' }));
    await until(() => changes.at(-1) === 'succeeded');
    await events.close();
  });

  it('reads once for a burst of notices', async () => {
    const { changes } = listen(here, 'a');
    const reading = Promise.withResolvers<void>();
    records.beforeReturn = () => reading.promise;
    for (let count = 0; count < 20; count += 1) await change('a', 'generating');
    listen(here, 'marker');
    await notify('marker');
    await until(() => records.reads.includes('marker'));
    records.stored.set('a', exampleImage({ mediaId: 'a', status: 'succeeded' }));
    reading.resolve();
    await until(() => changes.length > 0);
    expect(changes).toEqual(['succeeded']);
    expect(records.reads.filter((mediaId) => mediaId === 'a')).toHaveLength(2);
  });

  it('publishes nothing that was read before a later change here', async () => {
    const { changes } = listen(here, 'a');
    const reading = Promise.withResolvers<void>();
    records.beforeReturn = () => reading.promise;
    await change('a', 'generating');
    await until(() => records.reads.length === 1);
    const later = exampleImage({ mediaId: 'a', status: 'succeeded' });
    records.stored.set('a', later);
    here.publish('a', later);
    reading.resolve();
    await until(() => changes.length === 2);
    expect(changes).toEqual(['succeeded', 'succeeded']);
  });

  it('loses no change while its connection is lost, and reads again what could not be read', async () => {
    const { changes } = listen(here, 'a');
    let fails = 2;
    records.beforeReturn = async () => {
      if (fails-- > 0) throw new Error('unavailable');
    };
    await replicas[0]?.loseSession();
    // Whether the notice is missed or not.
    await change('a', 'succeeded');
    await until(() => changes.includes('succeeded'));
  });

  it('answers a caller that waits here when a job elsewhere ends', async () => {
    records.stored.set('a', exampleImage({ mediaId: 'a', status: 'queued' }));
    const clock = { sleep: (ms: number, signal?: AbortSignal) => delay(ms, undefined, { signal, ref: false }) };
    const { signal } = new AbortController();
    const waiting = createWait({ records, events: here, clock, stopping: signal })('a', 2 ** 31 - 1, signal);
    await until(() => records.reads.length === 1);
    await change('a', 'succeeded');
    expect(await waiting).toMatchObject({ status: 'succeeded' });
  });

  it('streams the events of a job elsewhere, its partial pictures too', async () => {
    records.stored.set('a', exampleImage({ mediaId: 'a', status: 'generating' }));
    const { signal } = new AbortController();
    const follow = createFollow({ records, events: here, toRecord: exampleRecord, ending: signal });
    const events = follow(records.stored.get('a') as Image, null, signal) as AsyncIterator<ImageEvent>;
    const next = async () => (await events.next()).value as ImageEvent;
    expect(await next()).toMatchObject({ type: 'status', data: { status: 'generating' } });
    await until(() => there.wantsPartials('a'));
    const call = there.openPartials({ mediaId: 'a', owner: 'blog' });
    call.sink(Buffer.from('blurred'), 0);
    expect(await next()).toMatchObject({ type: 'partial', data: { index: 0, base64: 'Ymx1cnJlZA==' } });
    call[Symbol.dispose]();
    await change('a', 'succeeded');
    expect(await next()).toMatchObject({ type: 'status', data: { status: 'succeeded' } });
    expect(await next()).toMatchObject({ type: 'done' });
  });

  it('says at every replica whether a client takes partial pictures, until it leaves or its replica is dead', async () => {
    const { unsubscribe } = takePartials(here, 'a');
    const other = takePartials(here, 'a');
    expect(await there.wantsPartials('b')).toBe(false);
    await until(() => there.wantsPartials('a'));
    unsubscribe();
    unsubscribe();
    expect(await there.wantsPartials('a')).toBe(true);
    other.unsubscribe();
    await until(async () => !(await there.wantsPartials('a')));
    for (const end of ["now() - interval '1 second'", "now() + interval '1 hour'"]) {
      await test.query(`INSERT INTO easel.watchers VALUES ('dead', gen_random_uuid(), ${end})`);
      expect(await there.wantsPartials('dead')).toBe(false);
    }
  });

  it('brings the newest partial picture to a client that comes late, once, and none after the call', async () => {
    const call = there.openPartials({ mediaId: 'a', owner: 'blog' });
    call.sink(Buffer.from('blurred'), 0);
    call.sink(Buffer.from('x'.repeat(100_000)), 1);
    await until(async () => (await test.query('SELECT FROM easel.partials WHERE index = 1')).length === 1);
    const first = takePartials(here, 'a');
    await until(() => first.partials.length === 1);
    const second = takePartials(here, 'a');
    expect(second.partials).toEqual(first.partials);
    expect(first.partials).toEqual([
      { mediaId: 'a', index: 1, base64: Buffer.from('x'.repeat(100_000)).toString('base64') },
    ]);
    call[Symbol.dispose]();
    await until(async () => (await test.query('SELECT FROM easel.partials')).length === 0);
    await until(() => {
      const late = takePartials(here, 'a');
      late.unsubscribe();
      return late.partials.length === 0;
    });
    expect([first.partials.length, second.partials.length]).toEqual([1, 1]);
  });

  it('takes back what it wrote for others when it is closed', async () => {
    const { partials } = takePartials(here, 'a');
    const call = here.openPartials({ mediaId: 'a', owner: 'blog' });
    call.sink(Buffer.from('mine'), 0);
    await until(async () => (await test.query('SELECT FROM easel.partials WHERE index = 0')).length === 1);
    await until(() => there.wantsPartials('a'));
    expect(partials).toHaveLength(1);
    await here.close();
    expect(await test.query('SELECT FROM easel.partials')).toEqual([]);
    expect(await there.wantsPartials('a')).toBe(false);
  });
});

describe('what a replica writes for others', () => {
  it('is a lease of its watchers, which is written again where PostgreSQL lost it, and removed where a replica died', async () => {
    const [{ database, instance }, other] = replicas as [TestReplica, TestReplica];
    const here = createWatchers(database, instance);
    const there = createWatchers(other.database, other.instance);
    const leave = here.watch('a', () => undefined);
    await until(() => there.hasOthers('a'));
    await test.query("INSERT INTO easel.watchers VALUES ('a', gen_random_uuid(), now() - interval '1 second')");
    await test.query('DELETE FROM easel.watchers WHERE instance = $1', [instance]);
    await here.renew();
    expect(await there.hasOthers('a')).toBe(true);
    expect(await test.query('SELECT instance FROM easel.watchers')).toEqual([{ instance }]);
    // One that leaves while its lease is renewed.
    const renewing = here.renew();
    leave();
    await renewing;
    await until(async () => !(await there.hasOthers('a')));
  });

  it('is the newest partial picture of the latest call, until the call ends or its replica is dead', async () => {
    const [{ database, instance }, other] = replicas as [TestReplica, TestReplica];
    const here = createStoredPartials(database, instance);
    const there = createStoredPartials(other.database, other.instance);
    const [first, second] = [here.open('a', 'blog'), here.open('a', 'blog')];
    await until(async () => (await test.query('SELECT FROM easel.partials')).length === 2);
    // The latest call has none yet, whatever the other brings.
    await test.query(
      "UPDATE easel.partials SET opened_at = now() - interval '1 hour' WHERE call <> (SELECT max(call::text)::uuid FROM easel.partials)",
    );
    expect(await there.read('a', null)).toMatchObject({ index: null, bytes: null });
    expect(await here.read('a', null)).toBeNull();
    first.keep(Buffer.from('1'), 0);
    second.keep(Buffer.from('2'), 0);
    await until(async () => (await test.query('SELECT FROM easel.partials WHERE index = 0')).length === 2);
    const newest = await there.read('a', null);
    expect(await there.read('a', newest)).toEqual({ ...newest, bytes: null });
    await test.query("UPDATE easel.partials SET until = now() - interval '1 second'");
    expect(await there.read('a', null)).toBeNull();
    // The calls here run on.
    await here.renew();
    expect(await there.read('a', null)).toEqual(newest);
    await test.query("UPDATE easel.partials SET until = now() - interval '1 second'");
    await there.renew();
    expect(await test.query('SELECT FROM easel.partials')).toEqual([]);
    first.end();
    second.end();
  });
});
