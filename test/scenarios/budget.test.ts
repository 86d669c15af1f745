import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { UsageReport } from '../../src/core/money/usage.ts';
import { type RunningService, startService } from '../support/app/process.ts';
import { type Behaviour, dropConnection, openAiError, picture } from '../support/openai/answers.ts';
import type { Call } from '../support/openai/call.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { randomOf } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { eventually } from '../support/until.ts';

const KEYS = Array.from({ length: 10 }, (_, index) => `key${index}`);
const CALLERS = 200;
const KILLS = 5;
const HEADERS = { 'content-type': 'application/json' };

/** Output tokens of a picture of 128x128 at low quality, by OpenAI's formula. */
const PICTURE_TOKENS = 130;
/** About what one picture may cost, in microdollars: 130 tokens at $30 and a short prompt at $5 a million. */
const ABOUT = 4_000;
/** Microdollars a day: of the service, and of each of the first five keys. */
const CAP = 60 * ABOUT;
const CAP_OF_KEY = 5 * ABOUT;
const CAPPED_KEYS = KEYS.slice(0, 5);

/** What the model API has billed, in microdollars, by API key: the prompts begin with its name. */
type Bills = Map<string, number>;

/** Answers as an API does that may bill anything up to the estimate: good answers, dropped ones that are billed, failures that are not. */
function billing(bills: Bills, random: () => number): (call: Call) => Behaviour {
  return ({ body }) => {
    const kind = random();
    if (kind < 0.05) return openAiError('server_error');
    const prompt = String(body.prompt);
    const most = { text: Math.ceil(Buffer.byteLength(prompt) / 3), output: PICTURE_TOKENS };
    // Half of them take all that they may take.
    const share = random() < 0.5 ? 1 : random();
    const hasUsage = kind > 0.4;
    const text = hasUsage ? Math.floor(most.text * share) : most.text;
    const output = hasUsage ? Math.max(1, Math.floor(most.output * share)) : most.output;
    const [key = ''] = prompt.split(' ');
    bills.set(key, (bills.get(key) ?? 0) + text * 5 + output * 30);
    if (kind < 0.25) return dropConnection(kind < 0.15 ? 'reset' : 'close');
    const usage = { input_tokens: text, output_tokens: output, total_tokens: text + output };
    return picture({ usage: hasUsage ? usage : null, beforeHeaders: Math.floor(random() * 60) });
  };
}

it('never spends more than the caps of the day, for 200 callers over 10 keys and a process that is killed again and again', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  upstream.strict = false;
  const random = randomOf('budget');
  const bills: Bills = new Map();
  upstream.always(billing(bills, random));
  const catalog = join(folder.path, 'models.json');
  await writeFile(catalog, JSON.stringify({ 'gpt-image-2': { sizes: ['128x128'] } }));
  const firstDay = new Date().getUTCDate();
  const start = () => startLife(folder.path, upstream, catalog);

  await using current: Current & AsyncDisposable = {
    service: await start(),
    restarted: Promise.resolve(),
    [Symbol.asyncDispose]: () => current.service[Symbol.asyncDispose](),
  };
  const callers = Array.from({ length: CALLERS }, (_, number) =>
    submitUntilAnswered(current, KEYS[number % KEYS.length] ?? '', `${number}`),
  );
  for (let kill = 1; kill <= KILLS; kill++) {
    const calls = upstream.calls.length;
    await Promise.race([upstream.received(calls + 3 + Math.floor(random() * 6)), delay(4_000)]);
    const restarted = Promise.withResolvers<void>();
    current.restarted = restarted.promise;
    current.service.child.kill('SIGKILL');
    await current.service.exited;
    current.service = await start();
    restarted.resolve();
  }
  const last = current.service;
  const refused = (await Promise.all(callers)).filter((answer) => answer === 'budget_exhausted');
  expect(refused.length).toBeGreaterThan(CALLERS / 4);
  await nothingReserved(last);

  // What the settled calls have left is spent as well, until every key is refused.
  for (let round = 0; ; round++) {
    const more = KEYS.map((key) => submitUntilAnswered(current, key, `more${round}`));
    if ((await Promise.all(more)).every((answer) => answer === 'budget_exhausted')) break;
    await nothingReserved(last);
  }
  const { budget } = await usage(last, 'boss');
  const days = new Date().getUTCDate() === firstDay ? 1 : 2;
  const sum = [...bills.values()].reduce((total, bill) => total + bill, 0);
  expect(sum).toBeLessThanOrEqual(days * CAP);
  for (const key of CAPPED_KEYS) expect(bills.get(key), key).toBeLessThanOrEqual(days * CAP_OF_KEY);
  expect(budget.reserved).toBe(0);
  if (days > 1) return;
  const spent = Math.round((budget.spent ?? Number.NaN) * 1e6);
  expect(spent).toBeLessThanOrEqual(CAP);
  // The books hold all that was billed, and there is no room for another picture.
  expect(spent).toBeGreaterThanOrEqual(sum);
  expect(spent).toBeGreaterThan(CAP - 1.1 * ABOUT);
  for (const key of CAPPED_KEYS) {
    const own = Math.round(((await usage(last, key)).budget.spent ?? Number.NaN) * 1e6);
    expect(own, key).toBeLessThanOrEqual(CAP_OF_KEY);
    expect(own, key).toBeGreaterThanOrEqual(bills.get(key) ?? 0);
  }
});

function startLife(folder: string, upstream: OpenAiServer, catalog: string): Promise<RunningService> {
  const dollars = (microUsd: number) => (microUsd / 1e6).toFixed(6);
  const keys = [...KEYS.map((key) => `${key}:${key}-secret:generate+read`), 'boss:boss-secret:admin'];
  return startService({
    folder,
    env: {
      OPENAI_API_KEY: upstream.key ?? 'none',
      OPENAI_BASE_URL: upstream.baseUrl,
      MODEL_CATALOG: catalog,
      IMAGE_MODEL: 'gpt-image-2',
      IMAGE_SIZE: '128x128',
      IMAGE_RENDITIONS: '',
      API_KEYS: keys.join(),
      CONCURRENCY: '6',
      BUDGET_USD_PER_DAY: [dollars(CAP), ...CAPPED_KEYS.map((key) => `${key}:${dollars(CAP_OF_KEY)}`)].join(),
    },
  });
}

interface Current {
  service: RunningService;
  /** Resolves when the service is up again: 200 callers that try meanwhile would take the processor from its start. */
  restarted: Promise<void>;
}

/** Submits one request until it has an answer, over restarts and while the service is too busy; `accepted`, or the code of the problem. */
async function submitUntilAnswered(current: Readonly<Current>, key: string, name: string): Promise<string> {
  const mediaId = `${key}-${name}`;
  const authorization = `Bearer ${key}-secret`;
  const body = JSON.stringify({ mediaId, prompt: `${key} ${name}`, quality: 'low' });
  for (;;) {
    const { url } = current.service;
    const headers = { ...HEADERS, authorization, prefer: 'respond-async' };
    const response = await fetch(`${url}/images`, { method: 'POST', headers, body }).catch(() => null);
    const answer = (await response?.json().catch(() => null)) as { readonly code?: string } | null | undefined;
    if (response && answer) {
      if (response.ok) return 'accepted';
      if (response.status !== 503 && answer.code !== 'queue_full') return answer.code ?? String(response.status);
    }
    await current.restarted;
    await delay(200);
  }
}

async function usage({ url }: RunningService, key: string): Promise<UsageReport> {
  const response = await fetch(`${url}/usage`, { headers: { authorization: `Bearer ${key}-secret` } });
  return (await response.json()) as UsageReport;
}

/** Resolves when no image is queued and no call is out. */
async function nothingReserved(service: RunningService): Promise<void> {
  await eventually(async () => {
    for (const status of ['queued', 'generating', 'processing']) {
      const headers = { authorization: 'Bearer boss-secret' };
      const response = await fetch(`${service.url}/images?status=${status}&limit=1`, { headers });
      expect(((await response.json()) as { items: unknown[] }).items).toEqual([]);
    }
  });
}
