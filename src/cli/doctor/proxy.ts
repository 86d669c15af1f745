import { type Finding, ok, warning } from '../../composition/checkup/finding.ts';
import type { Address } from '../service/address.ts';

/** How long an answer may take, in milliseconds. */
const ANSWER_MS = 15_000;
/** How long the head of an event stream may take. Easel sends it at once. */
const STREAM_MS = 5_000;
/** More than nginx lets through unless it is set otherwise (`client_max_body_size`, 1 MiB); Easel itself says so in a problem. */
const LARGE_BYTES = 2 * 1024 * 1024;

/** Tries what proxies commonly limit, as far as that is free: large bodies and streams. How long they let a call wait is not tried. */
export async function checkProxy(address: Address): Promise<Finding> {
  const notes = [await tryLargeBody(address), await tryStream(address)].filter((note) => note !== null);
  if (notes.length > 0) return warning('proxy', notes.join('; '));
  return ok(
    'proxy',
    `bodies of ${LARGE_BYTES / 1024 / 1024} MiB and event streams get through; calls of this command wait 50 s at a time`,
  );
}

/** A request for a preview, which calls and costs nothing, padded to more than a body of JSON may have. */
async function tryLargeBody({ url, apiKey }: Address): Promise<string | null> {
  const body = `{"prompt":"x"${' '.repeat(LARGE_BYTES)}}`;
  const headers = { 'content-type': 'application/json', ...authorization(apiKey) };
  const signal = AbortSignal.timeout(ANSWER_MS);
  const answer = await fetch(`${url}/images/preview`, { method: 'POST', headers, body, signal }).catch(() => null);
  await answer?.body?.cancel();
  // Easel refuses it, as a problem. A proxy does so with a page of its own.
  if (answer?.headers.get('content-type')?.startsWith('application/problem+json')) return null;
  const how = answer === null ? 'end the connection' : `answer ${answer.status}`;
  return `something before the service refuses bodies of 2 MiB (${how}), so that inputs do not arrive; raise its limit, client_max_body_size in nginx`;
}

async function tryStream({ url, apiKey }: Address): Promise<string | null> {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), STREAM_MS);
  try {
    const headers = { accept: 'text/event-stream', ...authorization(apiKey) };
    const answer = await fetch(`${url}/events`, { headers, signal: ending.signal });
    // Another status, as for a key that may not read, came through as well.
    if (!answer.ok) return null;
    const first = await answer.body?.getReader().read();
    return first?.done === false ? null : 'an event stream ended at once';
  } catch {
    return 'an event stream does not begin within 5 s: something before the service holds it back; switch that off, proxy_buffering off in nginx';
  } finally {
    clearTimeout(timer);
    ending.abort();
  }
}

function authorization(apiKey: string | null): Readonly<Record<string, string>> {
  return apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
}
