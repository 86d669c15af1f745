import { createParser } from 'eventsource-parser';
import type { Connection } from '../state/connection.ts';
import { createStore, untilStore } from '../state/store.ts';
import type { Send } from './request.ts';
import { withStreamSlot } from './stream-slots.ts';
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

export interface EventStream {
  /** Call when the key has changed: the stream begins anew, with a `reset`. */
  readonly restart: () => void;
  /** Resolves once what is read misses no event any more, or after a second without a stream: its beginning is a `reset` then. */
  readonly whenOpen: () => Promise<void>;
}

/** Milliseconds for which a hidden page keeps its stream: a browser has six connections to a host, over all its tabs. */
const HIDDEN_MS = 5000;
/** Milliseconds without a byte after which a stream counts as lost. The service sends a comment every 15 s. */
const SILENT_MS = 40_000;
/** Milliseconds for which readings wait for the stream. */
const OPENING_MS = 1000;
/** The gaps before the stream is opened again double from the first to the longest, until it opens. */
const FIRST_GAP_MS = 300;
const LONGEST_GAP_MS = 10_000;

/**
 * Follows the events of every image that the key sees, by one stream, for as long as the page is open. A lost stream is resumed after
 * the last event that came; a hidden page lets its stream go, and resumes it when it is shown again. Read with fetch, as EventSource sends
 * no * `Authorization`.
 */
export function followEvents({ send, connection, onEvent }: EventStreamDeps): EventStream {
  let lastEventId: string | null = null;
  let current = new AbortController();
  let gapMs = FIRST_GAP_MS;
  /** Whether something was read that no stream has kept up to date since. */
  let isBehind = false;
  const opening = createStore<'waiting' | 'open' | 'late'>('waiting');
  const reset = () => onEvent({ type: 'reset', data: {} });

  const run = async () => {
    for (;;) {
      await whenShown();
      current = new AbortController();
      const { signal } = current;
      const stopWatching = abortWhenHidden(current);
      try {
        await connection.whenBack(signal);
        await withStreamSlot({ signal, use: () => readStream(signal), onNoneFree: reset });
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
    opening.set('open');
    if (isBehind) reset();
    isBehind = false;
    for await (const { id, event } of parseEvents(withoutSilence(answer.body, connection))) {
      if (event !== null) onEvent(event);
      if (id !== undefined) lastEventId = id;
    }
  };

  const open = () => {
    opening.set('waiting');
    setTimeout(() => opening.get() === 'waiting' && opening.set('late'), OPENING_MS);
  };

  open();
  connection.whenDoubtful(() => current.abort());
  void run();
  return {
    restart() {
      lastEventId = null;
      isBehind = true;
      current.abort();
      open();
    },
    async whenOpen() {
      await untilStore(opening, (state) => state !== 'waiting');
      if (opening.get() === 'late') isBehind = true;
    },
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

/** Passes the bytes on, each a sign of life, and raises where none come for too long. */
async function* withoutSilence(body: ReadableStream<Uint8Array>, connection: Connection): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const silence = Promise.withResolvers<never>();
      const timer = setTimeout(() => silence.reject(new Error('the stream is silent')), SILENT_MS);
      try {
        const { done, value } = await Promise.race([reader.read(), silence.promise]);
        if (done) return;
        connection.noteAnswer();
        yield value;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

interface Step {
  readonly event: ServiceEvent | null;
  /** Resumes the stream after this step. The stream begins with one that has no event. */
  readonly id?: string;
}

/** Parses Server-Sent Events. */
async function* parseEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Step> {
  const steps: Step[] = [];
  const parser = createParser({
    onId: (id) => steps.push({ event: null, id }),
    onEvent({ id, event, data }) {
      // Its id came just before, and counts when the event was taken in.
      if (id !== undefined) steps.pop();
      steps.push({ event: { type: event, data: JSON.parse(data) } as ServiceEvent, ...(id !== undefined && { id }) });
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* steps.splice(0);
  }
}
