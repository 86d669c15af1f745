import { createParser } from 'eventsource-parser';
import { AnswerError, type ErrorBody, errorIn } from './error-body.ts';
import { given } from './response.ts';

/** Receives each partial picture as base64. */
export type OnPartial = (base64: string, index: number) => void;

/**
 * Reads an event stream up to the final picture and gives that event's value. Each partial picture goes to `onPartial`. Comments, events
 * without data, malformed and unknown ones are passed over. Raises `AnswerError` for an error event, and an `Error` for a stream that
 * ends without the final picture.
 */
export async function readEventStream(body: AsyncIterable<Uint8Array>, onPartial: OnPartial): Promise<unknown> {
  let final: unknown;
  const parser = createParser({
    onEvent({ event, data }) {
      if (final !== undefined) return;
      const read = classifyEvent(parseJson(data), event ?? null);
      if (read.kind === 'error') throw new AnswerError(read.error, true);
      if (read.kind === 'partial') onPartial(read.base64, read.index);
      if (read.kind === 'final') final = read.value;
    },
  });
  const decoder = new TextDecoder();
  // The last event counts even where the blank line that ends it is missing: it is whole if its JSON is.
  const endLastEvent = () => parser.feed(`${decoder.decode()}\n\n`);
  try {
    // Leaving the loop closes the connection, in case the server keeps it open after the final event.
    for await (const chunk of body) {
      parser.feed(decoder.decode(chunk, { stream: true }));
      if (final !== undefined) return final;
    }
  } catch (error) {
    if (error instanceof AnswerError) throw error;
    endLastEvent();
    if (final === undefined) throw error;
  }
  endLastEvent();
  if (final === undefined) throw new Error('the stream ended without the final picture');
  return final;
}

/** What a value of a stream is; `other` is passed over. */
type StreamEvent =
  | { readonly kind: 'final'; readonly value: object }
  | { readonly kind: 'partial'; readonly base64: string; readonly index: number }
  | { readonly kind: 'error'; readonly error: ErrorBody }
  | { readonly kind: 'other' };

const OTHER: StreamEvent = { kind: 'other' };

/**
 * Tells what a value of a stream is, by its own type or else by the `name` that the stream gives it. The final one is named `completed`,
 * or has the shape of an answer without streaming, or of a picture in one.
 */
export function classifyEvent(value: unknown, name: string | null): StreamEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return OTHER;
  const { type, data, b64_json, partial_image_index: index } = value as Record<string, unknown>;
  const kind = typeof type === 'string' && type !== '' ? type : (name ?? '');
  if (/^image_(generation|edit)\.completed$/.test(kind)) return { kind: 'final', value };
  if (/^image_(generation|edit)\.partial_image$/.test(kind)) {
    const base64 = given(b64_json);
    return base64 !== null && Number.isInteger(index) ? { kind: 'partial', base64, index: Number(index) } : OTHER;
  }
  const error = errorIn(value, kind === 'error');
  if (error !== null) return { kind: 'error', error };
  const isPlain = Array.isArray(data)
    ? data.some(namesPicture)
    : kind === '' && index === undefined && namesPicture(value);
  return isPlain ? { kind: 'final', value } : OTHER;
}

function namesPicture(entry: unknown): boolean {
  const { b64_json, url } = (entry ?? {}) as Record<string, unknown>;
  return given(b64_json) !== null || given(url) !== null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
