import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { expect, it, vi } from 'vitest';
import { openSqliteRecords } from '../../../src/adapters/records/sqlite/records.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import { createDeliverer } from '../../../src/core/webhooks/deliverer.ts';
import { anImage, aRequest, at, ms } from '../../contracts/record-store/example-images.ts';
import { exampleRecord } from '../../support/app/fake-images.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

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
  await vi.waitFor(() => expect(sleeps.at(-1)).toBe(3_600_000));
  expect(sent.sort()).toEqual(['ahead', 'now']);
  await deliverer.stop();
  await records.close();
});
