/**
 * What Easel is for: an orchestrator has the hero images of ten articles made by brief, while one brief is refused, the model API is down
 * for a while and Easel is killed.
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { createEasel, verifyWebhook, type WebhookMessage } from '../../src/client/client.ts';
import { startService } from '../support/app/process.ts';
import { TEST_SECRET } from '../support/network/webhook-receiver.ts';
import { hang, openAiError, picture } from '../support/openai/answers.ts';
import type { Call } from '../support/openai/call.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { texturedPicture } from '../support/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

/** What each article's picture shows, by the article. */
const SUBJECTS = {
  bread: 'a loaf on a floured table',
  bridges: 'a stone bridge in fog',
  elections: 'something that the safety system refuses',
  forests: 'a path between beeches',
  glaciers: 'a glacier above a lake',
  harbours: 'cranes at dawn',
  orchards: 'apple trees in blossom',
  railways: 'a night train',
  salt: 'salt pans from above',
  windmills: 'three windmills',
} as const;
type Article = keyof typeof SUBJECTS;

const ARTICLES = Object.keys(SUBJECTS) as readonly Article[];
const REFUSED: Article = 'elections';
const MADE = ARTICLES.filter((article) => article !== REFUSED);
/** Paid for when Easel is killed: the model API has named the picture, and its bytes are still to be fetched. */
const UNFETCHED: Article = 'forests';
/** Made, refused or paid for before the outage. The others meet it. */
const BEFORE_OUTAGE: readonly Article[] = ['bread', 'bridges', REFUSED, UNFETCHED];
/** Calls that still fail after Easel has come back: with that of the first life fewer than one picture alone may use up. */
const FAILURES_AFTER_RESTART = 2;
/** Calls at a time. */
const SLOTS = 4;

const MASTER = { width: 1024, height: 640 };
const KEY = 'pipeline-secret';

const mediaIdOf = (article: Article) => `${article}-hero`;

function requestFor(article: Article, webhookUrl: string) {
  return {
    mediaId: mediaIdOf(article),
    preset: 'article-hero',
    brief: { subject: SUBJECTS[article], mood: 'calm' },
    // Smaller than the preset's, to spare the machine that runs the test.
    size: '1024x640',
    renditions: ['320x200.webp'],
    metadata: { article },
    webhookUrl,
  };
}

function articleOf({ body }: Pick<Call, 'body'>): Article {
  const article = ARTICLES.find((name) => String(body.prompt).includes(SUBJECTS[name]));
  if (article === undefined) throw new Error(`a call for no article: ${String(body.prompt)}`);
  return article;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The orchestrator's end of the webhooks. It is down when the first message comes. */
async function startReceiver() {
  const messages: { readonly id: string; readonly message: WebhookMessage }[] = [];
  const faults: unknown[] = [];
  const server = createServer(async (request, response) => {
    try {
      const body = Buffer.concat(await request.toArray());
      const message = await verifyWebhook(body, request.headers, TEST_SECRET);
      messages.push({ id: String(request.headers['webhook-id']), message });
    } catch (error) {
      faults.push(error);
    }
    response.writeHead(messages.length === 1 ? 503 : 204).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}/webhooks`,
    messages,
    faults,
    /** The articles whose messages have come, in the order of their first ones. */
    articles: () => [...new Set(messages.map(({ message }) => message.data.metadata.article))],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

it('ten articles get nine right pictures and one clear refusal, each paid once, through an outage and a SIGKILL', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  await using receiver = await startReceiver();
  const settings = {
    OPENAI_API_KEY: upstream.key ?? '',
    OPENAI_BASE_URL: upstream.baseUrl,
    API_KEYS: `pipeline:${KEY}:generate+read`,
    CONCURRENCY: String(SLOTS),
    WEBHOOK_SECRET: TEST_SECRET,
    WEBHOOK_ALLOW_HOSTS: receiver.host,
  };

  // The model API answers nothing before all ten are accepted. Then it is down, for as long as the first life lasts and a little longer.
  const accepted = upstream.gate();
  const down = upstream.gate();
  let failuresLeft: number | null = null;
  upstream.always((call) => {
    const article = articleOf(call);
    if (article === REFUSED) return openAiError('moderation_blocked', { beforeHeaders: accepted });
    if (article === UNFETCHED) return picture({ as: 'url', fileFirst: [hang()], beforeHeaders: accepted });
    if (BEFORE_OUTAGE.includes(article) || failuresLeft === 0) return picture({ beforeHeaders: accepted });
    if (failuresLeft === null)
      return openAiError('server_is_overloaded', { headers: { 'retry-after': '300' }, beforeHeaders: down });
    failuresLeft -= 1;
    return openAiError('server_is_overloaded');
  });
  const paidFor = () =>
    upstream.calls.filter(({ behaviour, status }) => behaviour === 'picture' && status === 200).map(articleOf);

  const first = await startService({ folder: folder.path, env: settings });
  await using _ = first;
  // It sends a request again by itself, as where a busy machine answers 429, or where Easel is away.
  const easel = createEasel({ baseUrl: first.url, apiKey: KEY, maxRetries: 20 });
  for (const article of ARTICLES) {
    expect((await easel.submit(requestFor(article, receiver.url))).status).toMatch(/^(queued|generating)$/);
  }
  // One of them by the call that makes it, as it is by default: it asks again under the name that the picture has.
  const unfetched = createEasel({ baseUrl: first.url, apiKey: KEY }).generate(requestFor(UNFETCHED, receiver.url));
  const followed = Promise.allSettled(
    ARTICLES.map((article) => (article === UNFETCHED ? unfetched : easel.wait(mediaIdOf(article)))),
  );

  accepted.open();
  // Killed when two pictures and the refusal have been reported, one picture is paid for and still to be fetched, those in the other
  // places have met the outage and will not be called for again soon, and the rest has not been called for. No call is out: what one
  // costs that a death cuts off cannot be known, and `crash.test.ts` has those.
  await upstream.until(() => upstream.otherCalls.some(({ operation }) => operation === 'file'));
  await down.reached(SLOTS - 1);
  down.open();
  await until(async () => {
    const records = await Array.fromAsync(easel.list({ status: 'generating' }));
    return records.filter(({ attempts }) => attempts[0]?.outcome === 'failed').length === SLOTS - 1;
  });
  await until(() => receiver.articles().length === 3 && receiver.messages.length === 4);
  first.child.kill('SIGKILL');
  await first.exited;
  expect(receiver.articles().toSorted()).toEqual(['bread', 'bridges', REFUSED]);
  expect(paidFor().toSorted()).toEqual(['bread', 'bridges', UNFETCHED]);

  failuresLeft = FAILURES_AFTER_RESTART;
  await using second = await startService({
    folder: folder.path,
    env: { ...settings, PORT: new URL(first.url).port },
  });
  await until(() => receiver.articles().length === ARTICLES.length);
  expect(second.url).toBe(first.url);
  expect(failuresLeft).toBe(0);

  // The calls that waited for pictures have outlived the death, and say the same as the webhooks.
  const ends = new Map((await followed).map((end, index) => [ARTICLES[index], end]));
  expect(ends.get(REFUSED)).toMatchObject({
    status: 'rejected',
    reason: { name: 'EaselError', code: 'prompt_rejected', mediaId: mediaIdOf(REFUSED) },
  });
  for (const article of MADE) {
    expect(ends.get(article)).toMatchObject({
      status: 'fulfilled',
      value: { status: 'succeeded', metadata: { article } },
    });
  }
  const ids = Map.groupBy(receiver.messages, ({ message }) => message.data.mediaId);
  expect([...ids.keys()].toSorted()).toEqual(ARTICLES.map(mediaIdOf));
  for (const [mediaId, messages] of ids) {
    // Sent again it is the same message.
    expect([mediaId, new Set(messages.map(({ id }) => id)).size]).toEqual([mediaId, 1]);
    expect(messages[0]?.message).toMatchObject(
      mediaId === mediaIdOf(REFUSED)
        ? { type: 'image.failed', data: { error: { code: 'prompt_rejected' } } }
        : { type: 'image.succeeded', data: { error: null } },
    );
  }
  expect(receiver.faults).toEqual([]);

  // Each is the picture of its brief, as it was paid for, in the size that was asked for.
  let usd = 0;
  for (const article of MADE) {
    const record = await easel.get(mediaIdOf(article));
    const prompt = record.prompt ?? '';
    expect(prompt).toContain(SUBJECTS[article]);
    const bytes = await (await easel.media(record.url ?? '')).bytes();
    expect(sha256(bytes)).toBe(sha256(await texturedPicture({ ...MASTER, seed: prompt, quality: 100 })));
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'png', ...MASTER });
    const [rendition, ...others] = record.renditions;
    const small = await (await easel.media(rendition?.url ?? '')).bytes();
    expect(await sharp(small).metadata()).toMatchObject({ format: 'webp', width: 320, height: 200 });
    expect(others).toEqual([]);
    // Every call but the last is known to be free.
    expect(record.attempts.map(({ outcome }) => outcome).filter((outcome) => outcome !== 'failed')).toEqual(['ok']);
    expect(record.cost).toEqual({ usd: expect.any(Number), basis: 'usage' });
    usd += record.cost.usd ?? 0;
  }
  expect(await easel.get(mediaIdOf(REFUSED))).toMatchObject({
    status: 'failed',
    error: { code: 'prompt_rejected', detail: expect.stringContaining('safety system') },
    attempts: [{ outcome: 'failed', httpStatus: 400 }],
    cost: { usd: 0, basis: 'none' },
  });

  expect(paidFor().toSorted()).toEqual(MADE);
  const { days } = await easel.usage();
  expect(days.reduce((sum, { images }) => sum + images, 0)).toBe(MADE.length);
  expect(days.reduce((sum, day) => sum + (day.usd ?? 0), 0)).toBeCloseTo(usd, 6);

  // An orchestrator that is not sure sends everything again.
  const calls = upstream.calls.length;
  for (const article of ARTICLES) {
    const again = easel.submit(requestFor(article, receiver.url));
    if (article !== REFUSED) expect(await again).toEqual(await easel.get(mediaIdOf(article)));
    else await expect(again).rejects.toMatchObject({ code: 'prompt_rejected', mediaId: mediaIdOf(REFUSED) });
  }
  expect(upstream.calls).toHaveLength(calls);
});
