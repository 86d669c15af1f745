import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import {
  answer,
  type Behaviour,
  forKey,
  htmlPage,
  openAiError,
  picture,
  redirected,
} from '../support/openai/answers.ts';
import { usageOf, wantedPicture } from '../support/openai/dialect.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { texturedPicture } from '../support/pictures.ts';

// A good answer costs one call, whatever its shape: through the whole service, as a caller sees it.

let easel: Easel;
let png: Buffer;

beforeAll(async () => {
  easel = await startEasel();
  png = await texturedPicture({ width: 1024, height: 640, format: 'png', seed: 'a lighthouse' });
});
afterAll(() => easel[Symbol.asyncDispose]());
beforeEach(() => easel.upstream.reset());

/** Output tokens at $30 and text at $5 per million, as the catalog has them for gpt-image-2. */
const USAGE = { input_tokens: 100, output_tokens: 2000 };
const USD = (100 * 5 + 2000 * 30) / 1e6;

/** Posts a request that the stand-in answers like this; gives the record and the headers of the one call. */
async function post(behaviour: Behaviour, headers: Readonly<Record<string, string>> = {}) {
  easel.upstream.script(behaviour);
  const { status, body } = await easel.post({ prompt: `a lighthouse, ${behaviour.name}` }, headers);
  expect(body.error ?? null).toBeNull();
  expect(status).toBe(201);
  expect(easel.upstream.calls).toHaveLength(1);
  expect(body.attempts).toMatchObject([
    { outcome: 'ok', httpStatus: 200, providerRequestId: easel.upstream.calls[0]?.requestId },
  ]);
  return body;
}

const base64 = () => png.toString('base64');
const plain = () => ({ created: 1, data: [{ b64_json: base64() }], usage: USAGE });
const sse = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

describe('empty fields', () => {
  it('are not given: the URL beside empty base64 is fetched, and an empty revised prompt is none', async () => {
    easel.upstream.script({
      name: 'empty base64 beside a URL',
      delivery: {},
      answer: (_call, site) => ({
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          data: [{ b64_json: '', url: site.serve('png', () => answer({ body: png })), revised_prompt: '' }],
          usage: USAGE,
        }),
      }),
    });
    const { status, body } = await easel.post({ prompt: 'a lighthouse, with empty fields' });
    expect([status, body.revisedPrompt, body.cost]).toEqual([201, null, { usd: USD, basis: 'usage' }]);
    expect(easel.upstream.calls).toHaveLength(1);
    expect(body.attempts[0]?.providerRequestId).toBe(easel.upstream.calls[0]?.requestId);
  });
});

describe('the bytes decide what an answer is', () => {
  it('JSON without a content type', async () => {
    const body = await post(answer({ name: 'untyped', body: JSON.stringify(plain()), type: '' }));
    expect(body.cost).toEqual({ usd: USD, basis: 'usage' });
  });

  it('JSON in lines', async () => {
    expect((await post({ ...picture({ as: 'lines' }), name: 'lines' })).cost.basis).toBe('usage');
  });

  it('the picture itself, whose cost is estimated', async () => {
    const { cost, bytes } = await post({ ...picture({ as: 'body' }), name: 'body' });
    expect(cost.basis).toBe('estimate');
    expect(cost.usd).toBeGreaterThan(0);
    expect(bytes).toBeGreaterThan(0);
  });
});

describe('a picture that is named by a URL', () => {
  const cost = () => {
    const { body } = easel.upstream.calls[0] ?? {};
    const { input_tokens, output_tokens } = usageOf(wantedPicture('generations', body ?? {}, undefined), 0);
    return { usd: expect.closeTo((input_tokens * 5 + output_tokens * 30) / 1e6, 6), basis: 'usage' };
  };

  it.each<[string, Behaviour]>([
    ['a relative URL', picture({ as: 'path' })],
    ['a data: URL', picture({ as: 'data_url' })],
    ['a URL that answers a page once', picture({ as: 'url', fileFirst: [htmlPage(200)] })],
  ])('is fetched, and not paid for again: %s', async (name, behaviour) => {
    const body = await post({ ...behaviour, name });
    expect(body.cost).toEqual(cost());
  });

  it('is fetched over redirects', async () => {
    await post({ ...picture({ as: 'url', file: redirected(3, answer({ body: png })) }), name: 'redirects' });
  });

  it('is fetched with the key where the provider itself asks for it', async () => {
    const file = forKey(easel.upstream.key, answer({ body: png }));
    await post({ ...picture({ as: 'url', file }), name: 'behind the key' });
    expect(easel.upstream.otherCalls).toHaveLength(2);
  });
});

it('a stream gives its picture, whatever else is sent in it', async () => {
  const body = [
    'event: keepalive\n\n',
    ': stay\n\n',
    sse('image_generation.queued', { position: 3 }),
    sse('image_generation.completed', { b64_json: base64(), usage: USAGE }),
  ];
  const { cost } = await post(answer({ name: 'a stream', type: 'Text/Event-Stream', body }));
  expect(cost).toEqual({ usd: USD, basis: 'usage' });
});

describe('an error in the body of a 200', () => {
  it('that refuses the prompt is 422 after one call, which costs nothing', async () => {
    easel.upstream.script(openAiError('moderation_blocked', { status: 200 }));
    const { status, body } = await easel.post({ mediaId: 'refused', prompt: 'a lighthouse, refused' });
    expect([status, body.code]).toEqual([422, 'prompt_rejected']);
    expect(easel.upstream.calls).toHaveLength(1);
    const record = await easel.record('refused');
    expect(record.attempts).toMatchObject([
      { outcome: 'failed', httpStatus: 200, providerRequestId: easel.upstream.calls[0]?.requestId },
    ]);
    expect(record.cost.usd).toBe(0);
  });

  it('that says the quota is used up is a fault of the account: the next provider makes the picture', async () => {
    await using backup = await startOpenAiServer({ key: 'backup-key-0123456789', strict: false });
    await using both = await startEasel({
      env: {
        PROVIDERS: 'openai,backup',
        PROVIDER_BACKUP_BASE_URL: backup.baseUrl,
        PROVIDER_BACKUP_API_KEY: 'backup-key-0123456789',
        PROVIDER_BACKUP_MODEL: 'sdxl',
      },
    });
    both.upstream.script(openAiError('insufficient_quota', { status: 200 }));
    const { status, body } = await both.post({ prompt: 'a lighthouse' });
    expect([status, body.provider]).toEqual([201, 'backup']);
    expect(body.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'ok']);
    expect([both.upstream.calls.length, backup.calls.length]).toEqual([1, 1]);
  });
});
