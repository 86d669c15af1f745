import { randomUUID } from 'node:crypto';
import { setImmediate as settled } from 'node:timers/promises';
import pino from 'pino';
import { expect, it } from 'vitest';
import { openSqliteRecords } from '../../../src/adapters/records/sqlite/records.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import type { DueDelivery, WebhookSender } from '../../../src/core/ports/webhooks.ts';
import { createDeliverer } from '../../../src/core/webhooks/deliverer.ts';
import { newDelivery } from '../../../src/core/webhooks/delivery.ts';
import { anImage, aRequest, at, ms } from '../../contracts/record-store/example-images.ts';
import { exampleRecord } from '../../support/app/fake-images.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createManualClock, createTestClock } from '../../support/test-clock.ts';
import { eventually } from '../../support/until.ts';

it.each([
  ['webhook given up', 50, { httpStatus: null, error: 'the address is refused', refused: true }],
  ['webhook not delivered; it is tried again', 30, { httpStatus: 500, error: 'answered 500', refused: false }],
  ['webhook not delivered: the receiver wants no more', 30, { httpStatus: 410, error: 'answered 410', refused: false }],
])('logs: %s', async (msg, level, answer) => {
  const { lines, deliverer } = await deliver(async () => answer);
  await eventually(() => expect(lines).toMatchObject([{ level, msg, mediaId: 'x', error: answer.error }]));
  await deliverer.stop();
});

it('says once that the outbox cannot be read, without a stack, and once that it can be again', async () => {
  let reads = 0;
  const { lines, deliverer } = await deliver(
    async () => ({ httpStatus: 204, error: null, refused: false }),
    () => {
      reads += 1;
      if (reads < 100) throw new ImageError('storage_unavailable', 'locked');
    },
  );
  await eventually(() => expect(lines).toHaveLength(3));
  expect(lines).toMatchObject([
    { level: 50, code: 'storage_unavailable', reason: 'locked' },
    { level: 30, msg: 'the outbox can be read again; webhooks are sent' },
    { level: 30, msg: 'webhook delivered' },
  ]);
  await deliverer.stop();
});

it('sends nothing that another process has claimed, and looks at it again after five seconds', async () => {
  const clock = createManualClock();
  const image = anImage({ mediaId: 'x' });
  const dueOf = (id: string): DueDelivery => ({
    delivery: newDelivery(id, 'image.failed', 'https://example.com/hook', image),
    image,
    receiver: 'example.com:443',
    dueAt: 0,
  });
  const due = new Map(['claimed', 'free'].map((id) => [id, dueOf(id)]));
  const claims: string[] = [];
  const sent: string[] = [];
  const deliverer = createDeliverer({
    outbox: {
      next: async ({ ids }) => [...due.values()].find(({ delivery }) => !ids.includes(delivery.id)) ?? null,
      async claim(id) {
        claims.push(id);
        return id === 'free' || claims.length > 2;
      },
      async update(id, change) {
        due.delete(id);
        return change(dueOf(id).delivery);
      },
      list: async () => [],
      page: async () => ({ items: [], nextCursor: null }),
      onNew: () => undefined,
    },
    sender: {
      async send({ id }) {
        sent.push(id);
        return { httpStatus: 204, error: null, refused: false };
      },
    },
    toRecord: exampleRecord,
    telemetry: { webhookTried: () => undefined },
    clock,
    random: () => 0,
    log: pino({ level: 'silent' }),
  });
  deliverer.start();
  await eventually(() => expect(due.has('free')).toBe(false));
  clock.move(4_999);
  await settled();
  expect([claims, sent]).toEqual([['claimed', 'free'], ['free']]);
  clock.move(1);
  await eventually(() => expect(sent).toEqual(['free', 'claimed']));
  await deliverer.stop();
});

/** Starts a deliverer with one delivery that is due. */
async function deliver(send: WebhookSender['send'], beforeRead: () => void = () => undefined) {
  const lines: Record<string, unknown>[] = [];
  const due: DueDelivery[] = [
    {
      delivery: newDelivery('d', 'image.failed', 'https://example.com/hook', anImage({ mediaId: 'x' })),
      image: anImage({ mediaId: 'x' }),
      receiver: 'example.com:443',
      dueAt: 0,
    },
  ];
  const deliverer = createDeliverer({
    outbox: {
      async next() {
        beforeRead();
        return due.shift() ?? null;
      },
      claim: async () => true,
      update: async (_id, change) =>
        change(newDelivery('d', 'image.failed', 'https://example.com/hook', anImage({ mediaId: 'x' }))),
      list: async () => [],
      page: async () => ({ items: [], nextCursor: null }),
      onNew: () => undefined,
    },
    sender: { send },
    toRecord: exampleRecord,
    telemetry: { webhookTried: () => undefined },
    clock: createTestClock(),
    random: () => 0,
    log: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  deliverer.start();
  return { lines, deliverer };
}

it('sends at once what a clock that was a day ahead had put off, while others wait for their time', async () => {
  await using folder = await temporaryFolder();
  const derive = createDerive({ webhookUrls: new Map(), randomId: randomUUID });
  const records = openSqliteRecords({ path: `${folder.path}/easel.db`, derive });
  const request = aRequest({ webhookUrl: 'https://example.com/hook' });
  const times = { now: at(0), soon: at(3600), ahead: at(86_400) };
  for (const [mediaId, completedAt] of Object.entries(times)) {
    await records.accept(anImage({ mediaId, request }), Infinity);
    await records.update(mediaId, (image) => ({ ...image, status: 'failed', completedAt }));
  }
  const sent: string[] = [];
  const sleeps: number[] = [];
  const clock: Clock = {
    now: () => ms(0),
    monotonic: () => 0,
    sleep: async (milliseconds, signal) => {
      sleeps.push(milliseconds);
      await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
    },
  };
  const deliverer = createDeliverer({
    outbox: records.outbox,
    sender: {
      async send({ body }) {
        sent.push(JSON.parse(body).data.mediaId);
        return { httpStatus: 204, error: null, refused: false };
      },
    },
    toRecord: exampleRecord,
    telemetry: { webhookTried: () => undefined },
    clock,
    random: () => 0,
    log: pino({ level: 'silent' }),
  });
  deliverer.start();
  await eventually(() => expect(sleeps.at(-1)).toBe(3_600_000));
  expect(sent.sort()).toEqual(['ahead', 'now']);
  await deliverer.stop();
  await records.close();
});
