import { expect, it } from 'vitest';
import { startEasel } from '../support/app/easel.ts';
import { hang, picture } from '../support/openai/answers.ts';
import { watchThreads } from '../support/threads.ts';

const X = { mediaId: 'x', prompt: 'a lighthouse' };

it.each([
  [0, 502, ['unknown']],
  [1, 201, ['unknown', 'ok']],
])(
  'a thread that dies during a call leaves it unknown on record, and with AMBIGUOUS_RETRIES=%i the answer is %i',
  async (retries, status, outcomes) => {
    using threads = watchThreads();
    await using easel = await startEasel({ env: { AMBIGUOUS_RETRIES: String(retries) } });
    const { upstream } = easel;
    upstream.script(hang());
    const posted = easel.post(X);
    await upstream.received(1);
    expect((await easel.record('x')).attempts).toMatchObject([{ outcome: 'running' }]);
    await threads.kill();
    expect((await posted).status).toBe(status);
    expect((await easel.record('x')).attempts.map(({ outcome }) => outcome)).toEqual(outcomes);
    expect(upstream.calls).toHaveLength(outcomes.length);
    // Sent again, the same request is not paid for again.
    await easel.post(X);
    expect(upstream.calls).toHaveLength(outcomes.length);
  },
);

it('the other images go on when a thread dies', async () => {
  using threads = watchThreads();
  await using easel = await startEasel();
  const { upstream } = easel;
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }));
  const first = easel.post(X);
  await gate.reached();
  await threads.kill();
  gate.open();
  expect((await first).status).toBe(201);
  expect((await easel.post({ prompt: 'another' })).status).toBe(201);
});
