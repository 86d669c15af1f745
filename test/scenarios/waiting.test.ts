import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startEasel } from '../support/app/easel.ts';
import { picture } from '../support/openai/answers.ts';
import { until } from '../support/until.ts';

const lighthouse = { mediaId: 'x', prompt: 'a lighthouse' };

describe('a waiting request', () => {
  it('waits for the finished image by default', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const answer = easel.post(lighthouse);
    await gate.reached();
    expect(await Promise.race([answer, delay(100, 'still waiting')])).toBe('still waiting');
    gate.open();
    const { status, headers } = await answer;
    expect([status, headers.get('preference-applied')]).toEqual([201, null]);
  });

  // The test's clock skips waits of up to a minute, so each of these ends at once.
  it.each([
    ['SYNC_WAIT_SECONDS', {}, { SYNC_WAIT_SECONDS: '30' }, null],
    ['respond-async', { prefer: 'respond-async' }, {}, 'respond-async'],
    ['wait=10', { prefer: 'wait=10' }, {}, 'wait=10'],
    ['wait=0', { prefer: 'wait=0' }, {}, 'wait=0'],
    ['respond-async, wait=10', { prefer: 'respond-async, wait=10' }, {}, 'respond-async, wait=10'],
    ['a longer wait than is allowed', { prefer: 'wait=100' }, { SYNC_WAIT_SECONDS: '30' }, 'wait=30'],
  ])('gets a 202 when its time limit has passed: %s', async (_, headers: Record<string, string>, env, applied) => {
    await using easel = await startEasel({ env });
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const answer = await easel.post(lighthouse, headers);
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe('/images/x');
    expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(answer.headers.get('preference-applied')).toBe(applied);
    expect(['queued', 'generating']).toContain(answer.body.status);
    gate.open();
    await until(async () => (await easel.record('x')).status === 'succeeded');
    expect((await easel.post(lighthouse, headers)).status).toBe(200);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('gets 201 if it started the work, and 200 if it joined', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const starter = easel.post(lighthouse);
    await gate.reached();
    const joiners = [easel.post(lighthouse), easel.post(lighthouse, { prefer: 'wait=120' })];
    // Both have arrived and joined.
    await until(() => easel.clock.sleepers === 3);
    gate.open();
    expect((await starter).status).toBe(201);
    expect((await Promise.all(joiners)).map(({ status }) => status)).toEqual([200, 200]);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('may disconnect, and the work goes on', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const client = request(`${easel.url}/images`, { method: 'POST', headers: { 'content-type': 'application/json' } });
    client.on('error', () => undefined);
    client.end(JSON.stringify(lighthouse));
    await gate.reached();
    client.destroy();
    gate.open();
    const { status, body } = await easel.post(lighthouse);
    expect([status, body.status, body.attempts.map(({ outcome }) => outcome)]).toEqual([200, 'succeeded', ['ok']]);
    expect(easel.upstream.calls[0]?.ending).toBe('answered');
  });
});
