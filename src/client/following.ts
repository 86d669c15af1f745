/** Follows one picture, over lost connections. */

import type { ImageEvent } from './easel.ts';
import { EaselError, unexpectedAnswer } from './errors.ts';
import { readEventStream, type StreamEvent } from './event-stream.ts';
import { type Limit, setTimer, sleep } from './limit.ts';
import { type Answer, jitter, noAnswer, OUTAGE_MS, type Sending } from './sending.ts';
import type { ImageRecord } from './shapes.ts';

interface FollowOptions {
  /** Id of the last event that was seen. */
  readonly lastEventId?: string | undefined;
  /**
   * Whether the record is read whenever a stream has ended without the picture's end, so that a proxy that holds streams back holds back
   * nothing but the time. The `done` then bears no id of a stream.
   */
  readonly readsRecord?: boolean;
  /** Whether the service has answered already: then it is back soon, and the first connection has time, too. */
  readonly isKnown?: boolean;
}

/** Milliseconds without a byte after which a stream counts as lost. The service sends a comment every 15 s. */
const SILENT_MS = 40_000;
/** The gaps before a stream is opened again double from the first to the longest, until one opens. */
const FIRST_GAP_MS = 500;
const LONGEST_GAP_MS = 5000;
/** Longest `Retry-After` that is waited out between two streams. */
const LONGEST_RETRY_AFTER_MS = 60_000;

const FINISHED: readonly ImageRecord['status'][] = ['succeeded', 'failed', 'cancelled'];

/** True for a picture that does not change by itself any more. */
export function isFinished({ status }: Pick<ImageRecord, 'status'>): boolean {
  return FINISHED.includes(status);
}

/** Where a picture is in the API. */
export function imagePath(mediaId: string): string {
  return `/images/${encodeURIComponent(mediaId)}`;
}

/**
 * The events of a picture up to `done` or `deleted`. A lost stream is opened again after the last event that came. Raises `EaselError`
 * where the service says that there is no such picture, and where it stays away for too long.
 */
export async function* followImage(
  sending: Sending,
  mediaId: string,
  limit: Limit,
  { lastEventId, readsRecord = false, isKnown = false }: FollowOptions = {},
): AsyncGenerator<ImageEvent, void, undefined> {
  const path = `${imagePath(mediaId)}/events`;
  let seenId = lastEventId;
  let wasThere = isKnown;
  let awaySince: number | null = null;
  let firstGapMs = FIRST_GAP_MS;
  let gapMs = firstGapMs;

  for (let streams = 0; ; streams++) {
    let retryAfterMs = 0;
    try {
      if (readsRecord && streams > 0) {
        const record = await sending.json<ImageRecord>({ path: imagePath(mediaId), isRepeatable: false }, limit);
        if (isFinished(record)) return yield { id: '', type: 'done', data: record };
      }
      const headers = { accept: 'text/event-stream', ...(seenId !== undefined && { 'last-event-id': seenId }) };
      const call = { path, headers, answerMs: SILENT_MS, isRepeatable: !wasThere };
      const answer = await sending.request(call, limit);
      wasThere = true;
      awaySince = null;
      // The end has been sent already.
      if (answer.response.status === 204) return answer.close();
      for await (const event of readEvents(answer, limit, (ms) => (firstGapMs = ms))) {
        gapMs = firstGapMs;
        if (event.id !== '') seenId = event.id;
        yield event;
        if (event.type === 'done' || event.type === 'deleted') return;
      }
    } catch (error) {
      if (streams > 0 && error instanceof EaselError && error.code === 'not_found') {
        return yield { id: '', type: 'deleted', data: { mediaId } };
      }
      if (!wasThere || !isPassing(error)) throw error;
      const now = performance.now();
      awaySince ??= now;
      if (now - awaySince > OUTAGE_MS * sending.maxRetries) throw error;
      retryAfterMs = Math.min((error.retryAfter ?? 0) * 1000, LONGEST_RETRY_AFTER_MS);
    }
    await sleep(Math.max(jitter(gapMs), retryAfterMs), limit.signal);
    gapMs = Math.min(2 * gapMs, LONGEST_GAP_MS);
  }
}

/** True for an error that says nothing about the picture: the service, or a proxy before it, is away or too busy. */
function isPassing(error: unknown): error is EaselError {
  if (!(error instanceof EaselError)) return false;
  const { code, status } = error;
  return code === 'unreachable' || status === 408 || status === 429 || (status !== null && status >= 500);
}

/** Reads one stream to its end. Raises `EaselError` where it breaks off, or falls silent. */
async function* readEvents(
  answer: Answer,
  limit: Limit,
  onRetry: (ms: number) => void,
): AsyncGenerator<ImageEvent, void, undefined> {
  const { url, response } = answer;
  const type = response.headers.get('content-type') ?? '';
  try {
    if (!type.startsWith('text/event-stream')) {
      throw unexpectedAnswer(response, `events are text/event-stream, and this is ${type || 'of no type'}`);
    }
    for await (const event of readEventStream(readChunks(answer), { onRetry })) {
      const known = toImageEvent(event, response);
      if (known !== null) yield known;
    }
  } catch (error) {
    throw noAnswer(error, url, limit);
  } finally {
    answer.close();
  }
}

/** The bytes of a stream, as long as some come in time. */
async function* readChunks({ response, stopClock, close }: Answer): AsyncGenerator<Uint8Array, void, undefined> {
  stopClock();
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  for (;;) {
    const timer = setTimer(() => close(new Error(`the stream was silent for ${SILENT_MS / 1000} s`)), SILENT_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    yield value;
  }
}

const TYPES: readonly string[] = ['status', 'partial', 'done', 'deleted'] satisfies readonly ImageEvent['type'][];

/** The event; null for one that only a newer client knows. */
function toImageEvent({ id, type, data }: StreamEvent, response: Response): ImageEvent | null {
  if (!TYPES.includes(type)) return null;
  try {
    return { id, type, data: JSON.parse(data) } as ImageEvent;
  } catch {
    throw unexpectedAnswer(response, 'the data of an event is no JSON');
  }
}
