import { describe, expect, it } from 'vitest';
import { type Easel, startEasel } from '../../support/app/easel.ts';

async function preview(easel: Easel, body: object) {
  const response = await fetch(`${easel.url}/images/preview`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const hero = { prompt: 'a lighthouse', size: '1200x675', style: 'vivid', renditions: [] };

describe('POST /images/preview', () => {
  it('gives the plan of the request, without a provider call and without writing anything', async () => {
    await using easel = await startEasel({ env: { PROVIDERS: 'openai,placeholder' } });
    const answer = await preview(easel, { mediaId: 'a', ...hero });
    expect(answer).toEqual({
      status: 200,
      body: {
        prompt: expect.stringMatching(/^a lighthouse\n.*hyper-real.*$/),
        requestedSize: '1216x688',
        crop: { left: 0, top: 2, width: 1216, height: 684 },
        parametersDropped: ['style'],
        cost: { usd: expect.any(Number), basis: 'estimate' },
        providers: ['openai', 'placeholder'],
      },
    });
    expect(easel.upstream.calls).toHaveLength(0);
    expect((await easel.get('/images/a')).status).toBe(404);
    expect(await easel.files()).toEqual([]);

    const { body: record } = await easel.post({ mediaId: 'a', ...hero });
    expect([record.prompt, record.requestedSize]).toEqual([answer.body.prompt, answer.body.requestedSize]);
  });

  it('sends a plain prompt as it was written, in every shape, and asks for margins for a rendition that is named', async () => {
    const defaults = { IMAGE_SIZE: '1792x1024', IMAGE_RENDITIONS: '1200x675.png' };
    await using easel = await startEasel({ env: defaults });
    for (const size of [undefined, '1024x1024', '1024x1536']) {
      expect((await preview(easel, { prompt: ' a tower ', size })).body.prompt, size).toBe(' a tower ');
    }
    const named = { prompt: 'a tower', size: '1024x1536', renditions: ['1200x675.png'] };
    expect((await preview(easel, named)).body.prompt).toMatch(
      /^a tower\n.*cropped by about 32% at the top, 32% at the bottom/,
    );
  });

  it('names only the requested provider, and gives no cost for a model without a price', async () => {
    await using easel = await startEasel({ env: { PROVIDERS: 'openai,placeholder', IMAGE_MODEL: 'my-own' } });
    const { body } = await preview(easel, { ...hero, provider: 'openai' });
    expect(body).toMatchObject({ providers: ['openai'], cost: { usd: null, basis: 'unknown' } });
    expect((await preview(easel, { ...hero, provider: 'placeholder' })).body).toMatchObject({ cost: { usd: 0 } });
  });

  it.each([
    ['a body of the wrong shape', { prompt: '' }, {}],
    ['an unknown preset', { ...hero, preset: 'nope' }, {}],
    ['an unknown provider', { ...hero, provider: 'nope' }, {}],
    ['a retired model', { ...hero, model: 'dall-e-3' }, {}],
    ['a size that no model makes', { ...hero, model: 'gpt-image-1.5', size: '4000x4000' }, {}],
    ['a prompt beyond the limit', { ...hero, prompt: 'x'.repeat(33_000) }, {}],
    ['a budget without a price', hero, { BUDGET_USD_PER_DAY: '9', IMAGE_MODEL: 'my-own' }],
  ])('refuses %s with the same problem as POST /images', async (_, body, env) => {
    await using easel = await startEasel({ env });
    const { status, body: problem } = await preview(easel, body);
    const real = await easel.post(body);
    expect(status).toBeGreaterThanOrEqual(400);
    expect([status, problem.code, problem.detail, problem.errors]).toEqual([
      real.status,
      real.body.code,
      real.body.detail,
      real.body.errors,
    ]);
  });
});
