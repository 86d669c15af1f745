/**
 * A client for Server-Sent Events that shows all that was received, headers and comments included.
 *
 *     await using stream = await openEventStream(`${url}/images/x/events`);
 *     expect(await stream.next()).toMatchObject({ event: 'status' });
 *     const rest = await stream.rest();               // until the server ends the stream
 */

/** One event as received; a comment has only `comment`, a reconnection time only `retry`. */
export interface ReceivedEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: Record<string, unknown>;
  readonly comment?: string;
  readonly retry?: string;
}

export interface EventStream extends AsyncDisposable {
  readonly response: Response;
  /** The next event, or null at the end; skips comments and `retry`. */
  next(): Promise<ReceivedEvent | null>;
  /** The next event, comment or `retry`; null at the end. */
  nextFrame(): Promise<ReceivedEvent | null>;
  /** All events up to the end. */
  rest(): Promise<ReceivedEvent[]>;
}

/** Connects and resolves when the headers of the answer are there; disposing the stream disconnects. */
export async function openEventStream(
  url: string,
  lastEventId?: string,
  more: Readonly<Record<string, string>> = {},
): Promise<EventStream> {
  const leaving = new AbortController();
  const headers = lastEventId === undefined ? more : { ...more, 'last-event-id': lastEventId };
  const response = await fetch(url, { headers, signal: leaving.signal });
  const frames = readFrames(response);
  const nextFrame = async () => (await frames.next()).value ?? null;

  async function next(): Promise<ReceivedEvent | null> {
    for (;;) {
      const frame = await nextFrame();
      if (frame === null || frame.event !== undefined) return frame;
    }
  }
  return {
    response,
    next,
    nextFrame,
    async rest() {
      const events: ReceivedEvent[] = [];
      for (let event = await next(); event !== null; event = await next()) events.push(event);
      return events;
    },
    async [Symbol.asyncDispose]() {
      leaving.abort();
    },
  };
}

async function* readFrames(response: Response): AsyncGenerator<ReceivedEvent, undefined, undefined> {
  let text = '';
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    let from = Math.max(0, text.length - 1);
    text += piece;
    for (let end = text.indexOf('\n\n', from); end >= 0; end = text.indexOf('\n\n', from)) {
      yield parseFrame(text.slice(0, end));
      text = text.slice(end + 2);
      from = 0;
    }
  }
  if (text !== '') throw new Error(`the stream ended inside an event: ${text.slice(0, 200)}`);
}

function parseFrame(frame: string): ReceivedEvent {
  const fields = frame.split('\n').map((line) => {
    const [name = '', value = ''] = line.split(/: ?(.*)/s, 2);
    return [name === '' ? 'comment' : name, name === 'data' ? JSON.parse(value) : value] as const;
  });
  return Object.fromEntries(fields);
}
