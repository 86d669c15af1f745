import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  DifferingSecretError,
  type Instances,
  openInstances,
  sharedSecret,
} from '../../../src/adapters/instances/postgres.ts';
import { openReplica, type TestReplica } from '../../support/postgres/replica.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';

let test: TestDatabase;
let one: TestReplica;
let other: TestReplica;
let opened: Instances[];

beforeAll(async () => {
  test = await createTestDatabase();
  one = await openReplica(test);
  other = await openReplica(test);
});
afterAll(async () => {
  await one[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  await test.drop();
});

beforeEach(() => {
  opened = [];
});
afterEach(async () => {
  await Promise.all(opened.map((instances) => instances.close()));
  await test.query('TRUNCATE easel.instances, easel.secrets');
});

async function open({ database }: TestReplica, secrets: Record<string, string> = {}, role = 'all') {
  const instances = await openInstances({
    database,
    id: randomUUID(),
    version: '1.2.3',
    role,
    secrets,
    heartbeatMs: 100,
  });
  opened.push(instances);
  return instances;
}

it('lists the instances that live, by the clock of the database, and removes those that died', async () => {
  const first = await open(one);
  const second = await open(other, {}, 'worker');
  const list = await first.list();
  expect(list.map(({ version, role }) => [version, role])).toEqual([
    ['1.2.3', 'all'],
    ['1.2.3', 'worker'],
  ]);
  expect(list[0]?.seenAt).toMatch(/^20\d\d-.*Z$/);
  for (const seen of ["now() - interval '31 seconds'", "now() + interval '1 hour'"]) {
    await test.query(`INSERT INTO easel.instances VALUES (gen_random_uuid(), '1', 'all', '{}', ${seen}, ${seen})`);
  }
  expect(await second.list()).toHaveLength(2);
  // With the next heartbeat.
  await until(async () => (await test.query('SELECT FROM easel.instances')).length === 2);
  await second.close();
  expect(await first.list()).toMatchObject([{ role: 'all' }]);
});

it('has one heartbeat under way at a time, and none after its end', async () => {
  const gate = Promise.withResolvers<void>();
  let writes = 0;
  const database: typeof one.database = {
    ...one.database,
    async write(text, values) {
      writes += 1;
      if (writes === 1) await gate.promise;
      return await one.database.write(text, values);
    },
  };
  const instances = await openInstances({
    database,
    id: randomUUID(),
    version: '1',
    role: 'all',
    secrets: {},
    heartbeatMs: 1,
  });
  await until(() => writes === 1);
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 1);
  await until(() => ticks >= 5);
  clearInterval(timer);
  expect(writes).toBe(1);
  const closed = instances.close();
  gate.resolve();
  await closed;
  expect(await test.query('SELECT FROM easel.instances')).toEqual([]);
});

it('keeps an instance alive by heartbeats, and enters one again that was held for dead', async () => {
  const instances = await open(one);
  const [before] = await instances.list();
  await test.query('DELETE FROM easel.instances');
  await until(async () => (await instances.list()).length === 1);
  const [after] = await instances.list();
  expect(after?.id).toBe(before?.id);
  expect(Date.parse(after?.seenAt ?? '')).toBeGreaterThan(Date.parse(before?.seenAt ?? ''));
});

it('refuses a secret that differs from that of an instance that lives, by the name of its variable', async () => {
  const first = await open(one, { MEDIA_URL_SECRET: 'secret one', WEBHOOK_SECRET: 'hook' });
  await open(other, { MEDIA_URL_SECRET: 'secret one' });
  const differing = open(other, { WEBHOOK_SECRET: 'hook', MEDIA_URL_SECRET: 'secret two' });
  await expect(differing).rejects.toThrow(DifferingSecretError);
  await expect(differing).rejects.toThrow('MEDIA_URL_SECRET differs');
  expect(await first.list()).toHaveLength(2);
  expect(JSON.stringify(await test.query('SELECT * FROM easel.instances'))).not.toContain('secret one');
  for (const instances of opened) await instances.close();
  await open(other, { MEDIA_URL_SECRET: 'secret two' });
});

it('lets one of two start that begin at once with different secrets', async () => {
  const starts = await Promise.allSettled([one, other].map((replica, index) => open(replica, { KEY: `${index}` })));
  expect(starts.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
});

it('gives every replica the secret that the first has made', async () => {
  const secrets = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      sharedSecret(index % 2 ? one.database : other.database, 'WEBHOOK_SECRET', () => `made ${index}`),
    ),
  );
  expect(new Set(secrets).size).toBe(1);
  const notMade = () => {
    throw new Error('it is made already');
  };
  expect(await sharedSecret(one.database, 'WEBHOOK_SECRET', notMade)).toBe(secrets[0]);
  expect(await sharedSecret(one.database, 'MEDIA_URL_SECRET', () => 'another')).toBe('another');
});
