import { setTimeout as delay } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { hostOf } from '../../security/allow-list.ts';
import { createGuardedFetch } from '../../security/ssrf-guard.ts';
import type { Answer, FormPart, Sending } from './case.ts';
import { isEventStream } from './expectations.ts';

/** A connection to the server that is tried. */
export interface Exchange {
  /**
   * Sends a call once, and once more after each 429 that asks to wait: such a call was not billed. Raises `NoAnswerError` where there is
   * no whole answer, after which the call may have been billed.
   */
  send(sending: Sending): Promise<Answer>;
  close(): Promise<void>;
}

export interface ExchangeOptions {
  readonly baseUrl: string;
  readonly key: string | null;
  /** The longest time for an answer, to its last byte. */
  readonly timeoutMs: number;
}

/** There is no whole answer: the connection failed or ended, or the time ran out. The message says which. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

/** Some pictures of the largest size in base64. */
const MOST_BYTES = 256 * 1024 * 1024;
const MOST_WAITS = 3;
const LONGEST_WAIT_MS = 120_000;
/** Codes of a 429 that no waiting ends. */
const SPENT = new Set(['insufficient_quota', 'credit_balance_exhausted', 'billing_hard_limit_reached']);

/** Talks to the server alone: redirects are answers, and pictures are fetched without the key, from it or from public addresses. */
export function createExchange({ baseUrl, key, timeoutMs }: ExchangeOptions): Exchange {
  const guard = createGuardedFetch({ allow: [hostOf(baseUrl)] });

  async function download(url: string): Promise<Buffer> {
    const inline = /^data:image\/[a-z+.-]+;base64,(.*)$/s.exec(url)?.[1];
    if (inline !== undefined) return Buffer.from(inline, 'base64');
    const { href } = new URL(url, baseUrl);
    const { status, body, complete } = await guard.fetch(href, { method: 'GET', timeoutMs, maxBytes: MOST_BYTES });
    if (status !== 200 || !complete) throw new Error(`its URL answers ${status}`);
    return Buffer.from(body);
  }

  async function sendOnce(sending: Sending): Promise<Answer> {
    const { method, path, json, text, form, key: own } = sending;
    const bearer = own ?? key;
    const isJson = json !== undefined || text !== undefined;
    const headers = {
      accept: 'application/json, text/event-stream',
      ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
      ...(isJson && { 'content-type': 'application/json' }),
    };
    const body = form ? formOf(form) : isJson ? (text ?? JSON.stringify(json)) : null;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(`${baseUrl}${path}`, { method, headers, body, redirect: 'manual', signal });
      const received = await readText(response);
      const isStream = isEventStream(response.headers);
      return {
        status: response.status,
        headers: response.headers,
        text: received,
        json: isStream ? undefined : parse(received),
        events: isStream ? eventsOf(received) : [],
        download,
      };
    } catch (error) {
      throw new NoAnswerError(describe(error, timeoutMs), { cause: error });
    }
  }

  return {
    async send(sending) {
      for (let waits = 0; ; waits += 1) {
        const answer = await sendOnce(sending);
        const waitMs = waitOf(answer);
        if (waitMs === null || waits === MOST_WAITS) return answer;
        await delay(waitMs);
      }
    },
    close: () => guard.close(),
  };
}

/** How long a 429 asks to wait, in milliseconds; null for an answer after which the call is not sent again. */
function waitOf({ status, headers, json }: Answer): number | null {
  const code = (json as { error?: { code?: unknown } } | null | undefined)?.error?.code;
  if (status !== 429 || SPENT.has(String(code))) return null;
  const milliseconds = headers.get('retry-after-ms');
  const seconds = headers.get('retry-after');
  const wanted = milliseconds !== null ? Number(milliseconds) : seconds !== null ? 1000 * Number(seconds) : Number.NaN;
  return wanted >= 0 && wanted <= LONGEST_WAIT_MS ? wanted : null;
}

function formOf(parts: readonly FormPart[]): FormData {
  const form = new FormData();
  for (const [name, value] of parts) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new Blob([new Uint8Array(value)], { type: 'image/png' }), `${name.replace('[]', '')}.png`);
  }
  return form;
}

/** The body as text; raises for one that is too long. */
async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > MOST_BYTES) throw new Error(`the answer is longer than ${MOST_BYTES / 1024 / 1024} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function eventsOf(text: string): readonly EventSourceMessage[] {
  const events: EventSourceMessage[] = [];
  createParser({ onEvent: (event) => void events.push(event), maxBufferSize: MOST_BYTES }).feed(text);
  return events;
}

/** What `fetch` raised, in the words of its cause, which says more than its own. */
function describe(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `there is no whole answer after ${timeoutMs / 1000} s`;
  const { cause } = error;
  const { message, code } = (cause instanceof Error ? cause : error) as NodeJS.ErrnoException;
  return message === '' ? String(code) : message;
}
