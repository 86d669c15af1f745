/** Reads Server-Sent Events (HTML standard, 9.2.6). */

/** An event as it stands in a stream. */
export interface StreamEvent {
  /** The last id that the stream has named; empty for none. */
  readonly id: string;
  readonly type: string;
  readonly data: string;
}

interface EventStreamOptions {
  /** Called with the milliseconds that the stream says a client should wait before it comes back. */
  readonly onRetry: (ms: number) => void;
}

/** Reads the events in the chunks of a body. An event that is cut off is left out. */
export async function* readEventStream(
  chunks: AsyncIterable<Uint8Array>,
  { onRetry }: EventStreamOptions,
): AsyncGenerator<StreamEvent, void, undefined> {
  let id = '';
  let type = '';
  let data: string[] = [];
  for await (const line of readLines(chunks)) {
    if (line === '') {
      if (data.length > 0) yield { id, type: type === '' ? 'message' : type, data: data.join('\n') };
      type = '';
      data = [];
      continue;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (field === 'event') type = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) onRetry(Number(value));
  }
}

/** The lines of a text in UTF-8, each ended by CR LF, LF or CR; what follows the last end is left out. */
async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  // It takes a byte order mark away.
  const decoder = new TextDecoder();
  /** The pieces of the line that has not ended: a picture is one line of many chunks. */
  let pieces: string[] = [];
  let endedWithReturn = false;
  for await (const chunk of chunks) {
    let text = decoder.decode(chunk, { stream: true });
    if (text === '') continue;
    // The second half of a line's end whose first half ended the chunk before.
    if (endedWithReturn && text.startsWith('\n')) text = text.slice(1);
    endedWithReturn = text.endsWith('\r');
    const lines = text.split(/\r\n|\n|\r/);
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      pieces.push(line);
      yield pieces.join('');
      pieces = [];
    }
    if (rest !== '') pieces.push(rest);
  }
}
