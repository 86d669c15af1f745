import { beginsAsPicture, HEAD_BYTES } from '../../picture-bytes.ts';

/** What the body of a successful answer is: decided by its bytes, since compatible servers and proxies send all kinds of content types. */
export type AnswerKind = 'json' | 'events' | 'picture' | 'other';

/** A comment, or one of the fields of an event. https://html.spec.whatwg.org/multipage/server-sent-events.html */
const EVENT_LINE = /^(?::|(?:data|event|id|retry)\s*:)/;
const BLANK = /^(?:\xef\xbb\xbf)?[\t\n\r ]*/;

/** A body whose kind is known, from its first byte on; a byte order mark and white space before that are gone. */
export interface RecognisedBody {
  readonly kind: AnswerKind;
  /** Leaving a loop over it ends the source. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the source of a body that is not to be read. */
  end(): Promise<void>;
}

/**
 * Reads as much of the body as shows what it is. Servers that keep a connection alive with white space may send any amount of it
 * before the answer. `contentType` decides only where the bytes do not.
 */
export async function recogniseBody(
  source: AsyncIterable<Uint8Array>,
  contentType: string | null,
): Promise<RecognisedBody> {
  const rest = source[Symbol.asyncIterator]();
  let start: Buffer = Buffer.alloc(0);
  let kind: AnswerKind | null = null;
  while (kind === null) {
    const { done = false, value } = await rest.next();
    if (!done) start = withoutBlanks(Buffer.concat([start, value]));
    kind = kindOf(start, done, contentType);
  }
  const end = async () => void (await rest.return?.());
  return { kind, body: continued(start, rest, end), end };
}

/** Null where more bytes may decide. */
function kindOf(start: Buffer, isWhole: boolean, contentType: string | null): AnswerKind | null {
  const head = start.toString('latin1', 0, HEAD_BYTES);
  if (head.startsWith('{') || head.startsWith('[')) return 'json';
  if (head.length < HEAD_BYTES && !isWhole) return null;
  if (beginsAsPicture(head)) return 'picture';
  const isEvents = EVENT_LINE.test(head) || /^\s*text\/event-stream\b/i.test(contentType ?? '');
  return isEvents ? 'events' : 'other';
}

function withoutBlanks(bytes: Buffer): Buffer {
  return bytes.subarray(BLANK.exec(bytes.toString('latin1'))?.[0].length ?? 0);
}

/** What was read already, then the rest. */
async function* continued(
  start: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
  end: () => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (start.length > 0) yield start;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await end();
  }
}
