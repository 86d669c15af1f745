import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { picture } from '../../support/openai/answers.ts';
import { until } from '../../support/until.ts';
import { sha256 } from '../../torture/audit.ts';
import { submit, threeReplicas, untilEachWorks, untilStatus } from './three-replicas.ts';

describe('replicas whose bucket is in trouble', () => {
  it('hold the pictures that they have paid for until it takes them, and pay for each once', async () => {
    await using trial = await threeReplicas();
    const { upstream, cluster } = trial;
    const { storage, replicas } = cluster;
    await trial.start('A', 'B', 'C');
    const submitAll = async (name: string) => {
      const mediaIds = replicas.map((replica) => `${name}-${replica.name.toLowerCase()}`);
      for (const [index, mediaId] of mediaIds.entries()) await submit(replicas[index]?.url ?? '', mediaId);
      return mediaIds;
    };
    const refused = () =>
      storage.requests.filter(({ method, key }) => method === 'PUT' && /originals/.test(key)).length;

    const gate = upstream.gate();
    upstream.script(...replicas.map(() => picture({ beforeHeaders: gate })));
    const busy = await submitAll('busy');
    await upstream.received(3);
    storage.fault = ({ method }) => (method === 'PUT' ? { kind: 'refuse', status: 503, code: 'SlowDown' } : null);
    gate.open();
    await until(() => upstream.calls.length === 3 && refused() >= 3);
    // Every second write takes effect, and is answered as if it had not.
    let writes = 0;
    storage.fault = ({ method }) => {
      if (method !== 'PUT') return null;
      writes += 1;
      return writes % 2 === 0 ? { kind: 'fail-after', status: 500, code: 'InternalError' } : null;
    };
    for (const mediaId of busy) await untilStatus(replicas[0]?.url ?? '', mediaId, 'succeeded');
    storage.fault = () => ({ kind: 'hold', until: delay(1_000) });
    const slow = await submitAll('slow');
    for (const mediaId of slow) await untilStatus(replicas[1]?.url ?? '', mediaId, 'succeeded');
    storage.fault = () => null;

    for (const [index, mediaId] of [...busy, ...slow].entries()) {
      const { url } = replicas[index % 3] as { url: string };
      const record = await untilStatus(url, mediaId, 'succeeded');
      expect(await trial.outcomes(mediaId), mediaId).toEqual(['ok']);
      const bytes = await fetch(url + record.url).then((response) => response.bytes());
      expect(sha256(bytes), mediaId).toBe(record.sha256);
    }
    expect(upstream.calls).toHaveLength(6);
    await untilEachWorks(replicas, 'after-all');
  });
});
