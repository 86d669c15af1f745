import { expect, it } from 'vitest';
import { startEasel } from '../support/app/easel.ts';
import { hang, openAiError } from '../support/openai/answers.ts';
import { until } from '../support/until.ts';

const linesOf = ({ log }: { readonly log: readonly string[] }, mediaId: string) =>
  log.map((line) => JSON.parse(line)).filter((line) => line.mediaId === mediaId);

it('every line of an image names the request that started the run, after a crash and for a retry too', async () => {
  await using easel = await startEasel();
  easel.upstream.script(openAiError('server_error'), hang());
  const headers = { 'x-request-id': 'order-42', prefer: 'respond-async' };
  await easel.post({ mediaId: 'hero', prompt: 'a tower' }, headers);
  await until(() => easel.upstream.calls.length === 2);
  const lines = linesOf(easel, 'hero');
  expect(lines.map(({ msg }) => msg)).toEqual(['image accepted', 'request', 'call failed, trying again']);
  expect(lines.map(({ requestId }) => requestId)).toEqual(Array(3).fill('order-42'));

  await using left = await easel.leftByCrash();
  await using later = await startEasel({ folder: left.path, env: { AMBIGUOUS_RETRIES: '0' } });
  await until(() => linesOf(later, 'hero').length > 0);
  expect(linesOf(later, 'hero')).toMatchObject([{ msg: 'image failed', requestId: 'order-42' }]);

  await later.retry('hero', { 'x-request-id': 'order-43' });
  await until(() => linesOf(later, 'hero').some(({ msg }) => msg === 'request'));
  const again = linesOf(later, 'hero').slice(1);
  expect(again.map(({ msg }) => msg)).toEqual([
    'image accepted again',
    'picture received',
    'image succeeded',
    'request',
  ]);
  expect(again.map(({ requestId }) => requestId)).toEqual(Array(4).fill('order-43'));
  // It is for the log alone.
  expect(JSON.stringify(await later.record('hero'))).not.toContain('order-4');
});
