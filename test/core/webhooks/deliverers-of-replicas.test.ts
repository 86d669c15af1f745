import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPostgresRecords } from '../../../src/adapters/records/postgres/records.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';
import type { WebhookSender } from '../../../src/core/ports/webhooks.ts';
import { createDeliverer, type Deliverer } from '../../../src/core/webhooks/deliverer.ts';
import { anImage, aRequest } from '../../contracts/record-store/example-images.ts';
import { exampleRecord } from '../../support/app/fake-images.ts';
import { openReplica, SILENT, type TestReplica } from '../../support/postgres/replica.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';

let test: TestDatabase;
let replicas: TestReplica[];
let stores: RecordStore[];

beforeAll(async () => {
  test = await createTestDatabase();
  replicas = [await openReplica(test), await openReplica(test)];
  const derive = createDerive({ webhookUrls: new Map(), randomId: randomUUID });
  stores = await Promise.all(replicas.map((replica) => openPostgresRecords({ ...replica, derive })));
});
afterAll(async () => {
  await Promise.all(stores.map((records) => records.close()));
  await Promise.all(replicas.map((replica) => replica[Symbol.asyncDispose]()));
  await test.drop();
});

/** Images that have failed, each with a webhook to a receiver of its own. */
async function fail(mediaIds: readonly string[]): Promise<void> {
  const [records] = stores as [RecordStore];
  for (const mediaId of mediaIds) {
    const request = aRequest({ webhookUrl: `https://${mediaId}.example.com/hook` });
    await records.accept(anImage({ mediaId, request }), Infinity);
    const completedAt = new Date().toISOString();
    await records.update(mediaId, (image) => ({ ...image, status: 'failed', completedAt }));
  }
}

function deliver(index: number, send: (mediaId: string, signal: AbortSignal) => Promise<void>): Deliverer {
  const sender: WebhookSender = {
    async send({ body }, signal) {
      await send(JSON.parse(body).data.mediaId, signal);
      return { httpStatus: 204, error: null, refused: false };
    },
  };
  const deliverer = createDeliverer({
    outbox: (stores[index] as RecordStore).outbox,
    sender,
    toRecord: exampleRecord,
    telemetry: { webhookTried: () => undefined },
    clock: {
      now: () => Date.now(),
      monotonic: () => Math.floor(performance.now()),
      sleep: (ms, signal) => delay(ms, undefined, { signal, ref: false }),
    },
    random: () => 0,
    log: SILENT,
  });
  deliverer.start();
  return deliverer;
}

const forever = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
const pending = () => test.query('SELECT FROM easel.deliveries WHERE due_at IS NOT NULL');

it('sends each webhook once, of two processes that look for what is due', async () => {
  const sent: string[] = [];
  const send = async (mediaId: string) => {
    sent.push(mediaId);
    await delay(5);
  };
  const deliverers = [deliver(0, send), deliver(1, send)];
  const mediaIds = Array.from({ length: 12 }, (_, index) => `once-${index}`);
  await fail(mediaIds);
  await until(async () => (await pending()).length === 0);
  await Promise.all(deliverers.map((deliverer) => deliverer.stop()));
  expect(sent.toSorted()).toEqual(mediaIds.toSorted());
});

it('leaves a try to the process that has begun it, and sends again once the lease of one that died has ended', async () => {
  await fail(['leased']);
  const dead = stores[1] as RecordStore;
  const due = await dead.outbox.next({ ids: [], receivers: [] }, Date.now() + 86_400_000);
  expect(await dead.outbox.claim(due?.delivery.id ?? '', 60_000)).toBe(true);
  const sent: string[] = [];
  const deliverer = deliver(0, async (mediaId) => void sent.push(mediaId));
  await fail(['other']);
  await until(() => sent.length > 0);
  expect(sent).toEqual(['other']);
  // A minute later.
  await test.query("UPDATE easel.deliveries SET due_at = 1, leased_until = 1 WHERE media_id = 'leased'");
  await test.query("SELECT pg_notify('easel_deliveries', 'another')");
  await until(() => sent.includes('leased'));
  await until(async () => (await pending()).length === 0);
  await deliverer.stop();
});

it('leaves a try that a stop has ended to the others at once', async () => {
  const began: string[] = [];
  const stopping = deliver(1, async (mediaId, signal) => {
    began.push(mediaId);
    await forever(signal);
  });
  await fail(['stopped']);
  await until(() => began.length === 1);
  const sent: string[] = [];
  const going = deliver(0, async (mediaId) => void sent.push(mediaId));
  await stopping.stop();
  await until(() => sent.length === 1);
  await until(async () => (await pending()).length === 0);
  await going.stop();
});
