import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPostgres } from '../../../../src/adapters/postgres/database.ts';
import { openPostgresRecords } from '../../../../src/adapters/records/postgres/records.ts';
import type { RecordStore } from '../../../../src/core/ports/record-store.ts';
import { anImage, aRequest } from '../../../contracts/record-store/example-images.ts';
import { trivialDerive } from '../../../contracts/record-store/trivial-derive.ts';
import { createPlaces, log, type Place } from './fixture.ts';

const makePlace = createPlaces();

describe('faults', () => {
  let place: Place;
  let records: RecordStore;
  beforeEach(async () => {
    place = await makePlace();
    records = (await place.open()).records;
  });
  afterEach(() => place.dispose());

  const endSessions = () =>
    // Those of other tests are over other databases of the same server.
    place.test.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'easel%'",
    );
  /** Adds a trigger for one test, which runs `body` after each row that is inserted into the table. */
  const withTrigger = async (table: string, body: string, work: () => Promise<void>) => {
    await place.test.query(
      `CREATE FUNCTION easel.broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body}; END $$`,
    );
    await place.test.query(
      `CREATE CONSTRAINT TRIGGER broken AFTER INSERT ON easel.${table} DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION easel.broken()`,
    );
    try {
      await work();
    } finally {
      await place.test.query('DROP FUNCTION easel.broken CASCADE');
    }
  };

  it('does a write again whose connection is ended in the middle of it, and calls the change again', async () => {
    let calls = 0;
    const { records: replica } = await place.open({
      async enlist() {
        calls += 1;
        if (calls === 1) await endSessions();
        return () => undefined;
      },
    });
    expect(await replica.accept(anImage({ mediaId: 'a' }), 9)).toEqual({ outcome: 'accepted' });
    expect(calls).toBe(2);
    expect(await records.countByStatus()).toMatchObject({ queued: 1 });
    calls = 0;
    const again = await replica.requeue('a', 9, (image) => ({ ...image, run: 2 }));
    expect([calls, again?.valueOf()]).toEqual([2, expect.objectContaining({ run: 2 })]);
  });

  it('goes on after all of its connections were ended', async () => {
    await records.accept(anImage({ mediaId: 'a' }), 9);
    await endSessions();
    expect(await records.get('a')).not.toBeNull();
    await endSessions();
    await records.check();
    await records.update('a', (image) => ({ ...image, status: 'failed' }));
    expect(await records.countByStatus()).toMatchObject({ queued: 0, failed: 1 });
  });

  it('stores nothing of a write whose commit fails, and tells of its delivery to nothing', async () => {
    const request = aRequest({ webhookUrl: 'https://example.com/hook' });
    await records.accept(anImage({ mediaId: 'a', request }), 9);
    let news = 0;
    records.outbox.onNew(() => news++);
    const finish = () => records.update('a', (image) => ({ ...image, status: 'succeeded' }));
    await withTrigger('deliveries', "RAISE 'broken'", async () => {
      await expect(finish()).rejects.toThrow('broken');
    });
    expect([news, (await records.get('a'))?.status]).toEqual([0, 'queued']);
    expect(await records.countByStatus()).toMatchObject({ queued: 1, succeeded: 0 });
    await finish();
    expect(news).toBe(1);
  });

  it('says that the disk is full', async () => {
    await withTrigger('images', "RAISE 'could not extend file' USING ERRCODE = 'disk_full'", async () => {
      const full = { code: 'storage_full' };
      await expect(records.accept(anImage({ mediaId: 'a' }), 9)).rejects.toMatchObject(full);
    });
    expect(await records.accept(anImage({ mediaId: 'a' }), 9)).toEqual({ outcome: 'accepted' });
  });

  it('says that a database that only reads cannot be written, in its check too', async () => {
    await records.accept(anImage({ mediaId: 'a' }), 9);
    const name = new URL(place.test.url).pathname.slice(1);
    await place.test.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await endSessions();
    const unavailable = { code: 'storage_unavailable' };
    await expect(records.check()).rejects.toMatchObject(unavailable);
    await expect(records.update('a', (image) => ({ ...image, run: 2 }))).rejects.toMatchObject(unavailable);
    expect(await records.get('a')).toMatchObject({ run: 1 });
    await place.test.query(`BEGIN READ WRITE; ALTER DATABASE ${name} RESET default_transaction_read_only; COMMIT`);
    await endSessions();
    await records.check();
  });

  it('fails its check within a second where the server does not answer', async () => {
    const { database } = await place.open();
    const hung = { ...database, transaction: () => new Promise<never>(() => undefined) };
    const slow = await openPostgresRecords({
      database: hung,
      session: { listen: async () => () => undefined },
      derive: trivialDerive,
    });
    await expect(slow.check()).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: 'PostgreSQL does not answer within 900 ms',
    });
  });

  describe('of the network, at the moment of a commit', () => {
    let cut: Cut;
    let behind: RecordStore;
    let close: () => Promise<void>;

    beforeEach(async () => {
      cut = await openCut(place.test.url);
      const database = openPostgres({ url: cut.url, poolSize: 2, applicationName: 'easel behind', log });
      const session = { listen: async () => () => undefined };
      behind = await openPostgresRecords({ database, session, derive: trivialDerive });
      close = async () => {
        await behind.close();
        await database.close();
        cut.close();
      };
    });
    afterEach(() => close());

    it.each(['after', 'before'] as const)(
      'show what became of a write: the answer is right where it is lost %s the server has it',
      async (moment) => {
        cut.next(moment);
        expect(await behind.accept(anImage({ mediaId: 'a' }), 9)).toEqual({ outcome: 'accepted' });
        expect(cut.count()).toBe(1);
        cut.next(moment);
        const labelled = aRequest({ labels: ['x'] });
        const changed = await behind.update('a', (image) => ({ ...image, run: image.run + 1, request: labelled }));
        expect(changed?.run).toBe(2);
        expect(await records.get('a')).toEqual(changed);
        cut.next(moment);
        const deletion = await behind.remove('a');
        expect(cut.count()).toBe(3);
        expect(await records.pendingDeletions()).toEqual([deletion]);
        expect(await records.countByStatus()).toMatchObject({ queued: 0 });
      },
    );

    it('are storage_unavailable where the server cannot be asked', async () => {
      cut.next('after', 'for good');
      const unavailable = { code: 'storage_unavailable', retryAfterSeconds: 5 };
      await expect(behind.accept(anImage({ mediaId: 'a' }), 9)).rejects.toMatchObject(unavailable);
      // It has taken effect, and the same request finds it.
      expect(await records.get('a')).not.toBeNull();
      await expect(behind.get('a')).rejects.toMatchObject(unavailable);
      cut.mend();
      expect(await behind.accept(anImage({ mediaId: 'a' }), 9)).toMatchObject({ outcome: 'exists', by: 'mediaId' });
    });
  });
});

/** A way to the server that breaks at a commit. */
interface Cut {
  readonly url: string;
  /** Breaks the connection that commits next: before the server has the commit, or after it has answered. */
  next(moment: 'before' | 'after', forHowLong?: 'for good'): void;
  mend(): void;
  /** How often it broke. */
  count(): number;
  close(): void;
}

async function openCut(target: string): Promise<Cut> {
  let moment: 'before' | 'after' | null = null;
  let [isForGood, isBroken, count] = [false, false, 0];
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();

  const server: Server = createServer((client) => {
    if (isBroken) return client.destroy();
    const upstream = connect(Number(port), hostname);
    let isAnswerLost = false;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    const breakOff = () => {
      count += 1;
      isBroken = isForGood;
      if (isBroken) for (const socket of sockets) socket.destroy();
      end();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    client.on('data', (bytes) => {
      if (moment === null || !bytes.includes('COMMIT\0')) return void upstream.write(bytes);
      isAnswerLost = moment === 'after';
      moment = null;
      if (!isAnswerLost) return breakOff();
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => (isAnswerLost ? breakOff() : void client.write(bytes)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = server.address() as { readonly port: number };
  return {
    url: Object.assign(new URL(target), { host: `127.0.0.1:${own.port}` }).href,
    next(when, forHowLong) {
      moment = when;
      isForGood = forHowLong !== undefined;
    },
    mend: () => {
      isBroken = false;
    },
    count: () => count,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
