import { expect, test } from 'vitest';
import { startEasel } from '../support/app/easel.ts';
import { codeOf, connectAgent, ERAS, textOf } from '../support/mcp.ts';
import { picture } from '../support/openai/answers.ts';

test.each(ERAS)('while the service stops, %s agents get all but new pictures, and the one that is out', async (era) => {
  const easel = await startEasel({ skipMs: 0 });
  await using agent = await connectAgent(easel.url, era);
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));
  const out = agent.call('generate_image', { mediaId: 'out', prompt: 'a lighthouse' });
  await easel.upstream.received(1);

  const stopped = easel.services.stop({ graceMs: 60_000 });
  expect(codeOf(await agent.call('generate_image', { prompt: 'a boat' }))).toBe('shutting_down');
  expect((await agent.call('list_images')).structuredContent).toMatchObject({ items: [{ mediaId: 'out' }] });
  gate.open();
  expect(textOf(await out)).toContain('out');
  await stopped;
  await easel[Symbol.asyncDispose]();
});

test('a call that waits when the service ends is answered with its mediaId', async () => {
  const easel = await startEasel({ skipMs: 0 });
  await using agent = await connectAgent(easel.url, '2026-07-28');
  easel.upstream.script(picture({ beforeHeaders: easel.upstream.gate() }));
  const call = agent.call('generate_image', { mediaId: 'out', prompt: 'a lighthouse' });
  await easel.upstream.received(1);

  await easel[Symbol.asyncDispose]();
  expect(JSON.stringify(await call)).toContain('"mediaId":"out"');
});
