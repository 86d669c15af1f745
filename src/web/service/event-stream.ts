import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Connection } from '../state/connection.ts';
import type { Send } from './request.ts';
import type { ImageRecord, PartialPicture, StatusReport } from './types.ts';

/** An event of `GET /events`. `reset`: events may have been missed, so what is shown has to be read again. */
export type ServiceEvent =
  | { readonly type: 'created' | 'done' | 'changed'; readonly data: ImageRecord }
  | { readonly type: 'status'; readonly data: StatusReport }
  | { readonly type: 'partial'; readonly data: PartialPicture }
  | { readonly type: 'deleted'; readonly data: { readonly mediaId: string } }
  | { readonly type: 'reset'; readonly data: object };

interface EventStreamDeps {
  readonly send: Send;
  readonly connection: Connection;
  readonly onEvent: (event: ServiceEvent) => void;
}

/** Milliseconds for which a hidden page keeps its stream: a browser has six connections to a host, over all its tabs. */
const HIDDEN_MS = 5000;
/** Milliseconds without a byte after which a stream counts as lost. The service sends a comment every 15 s. */
const SILENT_MS = 40_000;
/** The gaps before the stream is opened again double from the first to the longest, until it opens. */
const FIRST_GAP_MS = 300;
const LONGEST_GAP_MS = 10_000;

/**
 * Follows the events of every image that the key sees, by one stream, for as long as the page is open. A lost stream is resumed after
 * the last event that came; a hidden page lets its stream go, and resumes it when it is shown again. Read with fetch, as EventSource sends no
 * `Authorization`. Call the returned function when the key has changed: the stream begins anew, with a `reset`.
 */
export function followEvents({ send, connection, onEvent }: EventStreamDeps): () => void {
  let lastEventId: string | null = null;
  let current = new AbortController();
  let gapMs = FIRST_GAP_MS;

  const run = async () => {
    for (;;) {
      await whenShown();
      current = new AbortController();
      const stopWatching = abortWhenHidden(current);
      try {
        await connection.whenBack(current.signal);
        await readStream(current.signal);
      } catch {
        // What went wrong, `send` has noted; the stream is opened again.
      } finally {
        stopWatching();
      }
      await new Promise((resolve) => setTimeout(resolve, gapMs));
      gapMs = Math.min(2 * gapMs, LONGEST_GAP_MS);
    }
  };

  const readStream = async (signal: AbortSignal) => {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (lastEventId !== null) headers['last-event-id'] = lastEventId;
    const answer = await send('events', { headers, signal });
    if (!answer.ok || answer.body === null) throw new Error(`${answer.status}`);
    gapMs = FIRST_GAP_MS;
    // A first stream starts after what the views read before it.
    if (lastEventId === null) onEvent({ type: 'reset', data: {} });
    for await (const { id, event, data } of parseEvents(withoutSilence(answer.body))) {
      if (id !== undefined) lastEventId = id;
      onEvent({ type: event, data: JSON.parse(data) } as ServiceEvent);
    }
  };

  void run();
  return () => {
    lastEventId = null;
    current.abort();
  };
}

async function whenShown(): Promise<void> {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
  }
}

/** Aborts once the page has been hidden for a while. Returns the function that ends the watch. */
function abortWhenHidden(controller: AbortController): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => controller.abort(), HIDDEN_MS);
  };
  document.addEventListener('visibilitychange', watch);
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', watch);
  };
}

/** Passes the bytes on, and raises where none come for too long. */
async function* withoutSilence(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const silence = Promise.withResolvers<never>();
      const timer = setTimeout(() => silence.reject(new Error('the stream is silent')), SILENT_MS);
      try {
        const { done, value } = await Promise.race([reader.read(), silence.promise]);
        if (done) return;
        yield value;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Parses Server-Sent Events. */
async function* parseEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<EventSourceMessage> {
  const parsed: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => parsed.push(event) });
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* parsed.splice(0);
  }
}
