import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { openSqliteRecords } from '../../../../src/adapters/records/sqlite/records.ts';
import { closed, opened } from '../../../../src/core/domain/life-cycle/attempt-transitions.ts';
import { failed, rerun } from '../../../../src/core/domain/life-cycle/transitions.ts';
import { createDerive } from '../../../../src/core/images/derive.ts';
import { anAttempt, anImage, aRequest, at } from '../../../contracts/record-store/example-images.ts';
import { execute, makePlaceForEach } from './fixture.ts';

const place = makePlaceForEach();

it('a request that is refused and sent again 600 times, with a webhook each time, takes no more room after the first 100', async () => {
  const derive = createDerive({ webhookUrls: new Map(), randomId: randomUUID });
  const records = openSqliteRecords({ path: place.path(), derive });
  await records.accept(anImage({ request: aRequest({ webhookUrl: 'https://example.com/hook' }) }), Infinity);
  const refusal = { error: { code: 'provider_failed', detail: 'no '.repeat(30) }, checks: [], rejected: false };
  const end = { durationMs: 1, httpStatus: 500, providerRequestId: randomUUID() };

  const send = async (times: number, from: number) => {
    for (let n = from; n < from + times; n += 1) {
      await records.update('image', (image) => {
        const attempt = { ...anAttempt(`t${n}`), run: image.run };
        const called = opened(image, attempt, image);
        const refused = called && closed(called, attempt.id, { ...end, outcome: 'failed' });
        return refused && failed(refused, refusal, at(n));
      });
      const [delivery] = await records.outbox.list('image');
      await records.outbox.update(delivery?.id ?? '', (one) => ({ ...one, status: 'delivered', nextAttemptAt: null }));
      const again = { estimate: anImage().estimate, traceparent: null, requestedAt: at(n), expiresAt: null };
      await records.requeue('image', Infinity, (image) =>
        rerun(image, { ...again, planned: image, mayCostAgain: false }),
      );
    }
    execute(place.path(), 'PRAGMA wal_checkpoint');
    return (await stat(place.path())).size;
  };

  const first = await send(100, 0);
  const last = await send(500, 100);
  expect((await records.get('image'))?.run).toBe(601);
  expect(last).toBeLessThan(first + 100_000);
  expect(last).toBeLessThan(1_500_000);
  await records.close();
});
