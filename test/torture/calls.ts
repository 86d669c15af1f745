/** Clients of the OpenAI dialect: each sends its call, as the official SDKs do, until it has an answer. */

import { setTimeout as delay } from 'node:timers/promises';
import { multipart } from '../support/multipart.ts';
import { sha256 } from './audit.ts';
import type { DialectCall, DialectClient, Load, Target } from './clients.ts';
import { anyPictures } from './edit-pictures.ts';

/** Shares of the kinds of calls. */
const KINDS = [
  { until: 0.35, route: 'generations', keyed: false },
  { until: 0.55, route: 'generations', keyed: true },
  { until: 0.8, route: 'edits', keyed: false },
  { until: 1, route: 'edits', keyed: true },
] as const;

/** A new call of a random kind, for 1 to 3 pictures; of four, one is asynchronous, and one has two clients. */
export function makeDialectCall(random: () => number, life: number, number: number): DialectCall {
  const draw = random();
  const { route, keyed } = KINDS.find(({ until }) => draw < until) ?? KINDS[0];
  const prompt = `a boat, number ${life}-${number}`;
  const count = 1 + Math.floor(random() * 3);
  const path = `/v1/images/${route}${random() < 0.25 ? '/async' : ''}`;
  const fields = { prompt, n: count, size: '128x128' };
  const client = () => ({ isImpatient: random() < 0.4, sends: 0, isAccepted: false, isBroken: false });
  const clients = Array.from({ length: random() < 0.25 ? 2 : 1 }, () => ({
    ...client(),
    life: null,
    task: null,
    answer: null,
  }));
  const call = { prompt, path, count, life, clients };
  const key: Readonly<Record<string, string>> = keyed ? { 'idempotency-key': `call-${life}-${number}` } : {};
  if (route === 'generations') {
    return { ...call, headers: { ...key, 'content-type': 'application/json' }, body: JSON.stringify(fields) };
  }
  const texts = Object.entries(fields).map(([name, value]) => ({ name, content: String(value) }));
  const { contentType, bytes } = multipart([...anyPictures(random), ...texts]);
  return { ...call, headers: { ...key, 'content-type': contentType }, body: Uint8Array.from(bytes) };
}

/** Clients send every call that has no answer, each on its own. */
export function callAll(load: Load, target: Target, life: number, over: AbortSignal): Promise<void>[] {
  const waiting = load.dialectCalls.flatMap((call) =>
    call.clients.flatMap((client) => (client.answer === null ? [{ call, client }] : [])),
  );
  return waiting.map(async ({ call, client }) => {
    await delay(load.random() * 900);
    client.life ??= life;
    while (client.answer === null && !over.aborted && target.isAlive) {
      const pauseMs =
        client.task === null ? await send(load, target, call, client, life) : await poll(load, target, client, life);
      await delay(pauseMs);
    }
  });
}

/** Pause between two sends, in milliseconds: the shortest of the official SDKs. */
const PAUSE_MS = 375;
/**
 * When the impatient close a connection, in milliseconds. The service may be busy for a while: a call that it has not read by then comes as
 * late as its own retry, and nothing tells it from another one.
 */
const CUT_FROM_MS = 700;
const CUT_WITHIN_MS = 800;
const POLL_MS = 50;

/** Sends the call once; returns how long to wait before the next send. */
async function send(
  load: Load,
  { url }: Target,
  call: DialectCall,
  client: DialectClient,
  life: number,
): Promise<number> {
  const retryCount = client.sends;
  client.sends += 1;
  const isCut = client.isImpatient && load.random() < 0.7;
  const response = await fetch(url + call.path, {
    method: 'POST',
    headers: { ...call.headers, 'x-stainless-retry-count': String(retryCount) },
    body: call.body,
    ...(isCut && { signal: AbortSignal.timeout(CUT_FROM_MS + Math.floor(load.random() * CUT_WITHIN_MS)) }),
  }).catch(() => null);
  const body = (await response?.json().catch(() => null)) as DialectBody | null | undefined;
  if (!response || !body) {
    client.isBroken ||= retryCount === 0 && !isCut;
    return PAUSE_MS;
  }
  const mediaIds = response.headers.get('x-easel-media-id')?.split(',') ?? [];
  if (retryCount === 0 && mediaIds.length > 0) client.isAccepted = true;
  const { status } = response;
  const { code } = body.error ?? {};
  if (status === 202) client.task = body.id ?? null;
  else if (status === 200) client.answer = { life, status: 'succeeded', mediaIds, pictures: picturesIn(body) };
  else if (status === 502 && code === 'provider_failed') {
    client.answer = { life, status: 'failed', mediaIds, pictures: [] };
  } else if (status === 500 && code === 'internal_error' && load.killsThreads) {
    // Two threads died over its picture, which is kept: the next send finishes it.
  } else if (status !== 503 && status !== 507 && status !== 429) {
    load.violations.push(`${call.prompt}, send ${retryCount}: ${status} ${JSON.stringify(body).slice(0, 500)}`);
    client.answer = { life, status: 'failed', mediaIds, pictures: [] };
  }
  return PAUSE_MS;
}

/** Looks at the task of an asynchronous call once. */
async function poll(load: Load, { url }: Target, client: DialectClient, life: number): Promise<number> {
  const response = await fetch(`${url}/v1/images/tasks/${client.task}?response_format=b64_json`).catch(() => null);
  const task = (await response?.json().catch(() => null)) as DialectBody | null | undefined;
  if (!response || !task) return POLL_MS;
  const mediaIds = response.headers.get('x-easel-media-id')?.split(',') ?? [];
  if (response.status === 200 && task.status === 'completed' && task.result) {
    client.answer = { life, status: 'succeeded', mediaIds, pictures: picturesIn(task.result) };
  } else if (response.status === 200 && task.status === 'failed') {
    client.answer = { life, status: 'failed', mediaIds, pictures: [] };
  } else if (response.status === 503) {
    // Its records cannot be read at the moment.
  } else if (response.status !== 200 || task.status === 'completed' || task.status === 'cancelled') {
    load.violations.push(`task ${client.task}: ${response.status} ${JSON.stringify(task).slice(0, 500)}`);
    client.answer = { life, status: 'failed', mediaIds, pictures: [] };
  }
  return POLL_MS;
}

interface DialectBody {
  readonly data?: readonly { readonly b64_json?: string }[];
  readonly error?: { readonly code?: string };
  readonly id?: string;
  readonly status?: string;
  readonly result?: DialectBody;
}

function picturesIn({ data = [] }: DialectBody): readonly string[] {
  return data.map(({ b64_json = '' }) => sha256(Buffer.from(b64_json, 'base64')));
}
