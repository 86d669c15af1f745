import { createParser } from 'eventsource-parser';
import { AnswerError, errorIn } from './error-body.ts';
import { given } from './response.ts';

/** Receives each partial picture as base64. */
export type OnPartial = (base64: string, index: number) => void;

/**
 * Reads an event stream up to the final picture and gives that event's value. Each partial picture goes to `onPartial`. Comments, events
 * without data, malformed and unknown ones are passed over. Raises `AnswerError` for an error event, and an `Error` for a stream that
 * ends without the final picture.
 */
export async function readEventStream(body: ReadableStream<Uint8Array>, onPartial: OnPartial): Promise<unknown> {
  let final: unknown;
  const parser = createParser({
    onEvent({ event, data }) {
      final ??= finalOf(parseJson(data), event ?? null, onPartial);
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

/**
 * The value if it is the final one among the values of a stream: an event named `completed`, by its own type or by the name that the
 * stream gives it, or a value in the shape of an answer without streaming, or of a picture in one. Undefined for any other.
 */
export function finalOf(value: unknown, name: string | null, onPartial: OnPartial): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { type, data, b64_json, partial_image_index: index } = value as Record<string, unknown>;
  const kind = typeof type === 'string' && type !== '' ? type : (name ?? '');
  if (/^image_(generation|edit)\.completed$/.test(kind)) return value;
  if (/^image_(generation|edit)\.partial_image$/.test(kind)) {
    const base64 = given(b64_json);
    if (base64 !== null && Number.isInteger(index)) onPartial(base64, Number(index));
    return undefined;
  }
  const error = errorIn(value, kind === 'error');
  if (error !== null) throw new AnswerError(error, true);
  const isPlain = Array.isArray(data)
    ? data.some(namesPicture)
    : kind === '' && index === undefined && namesPicture(value);
  return isPlain ? value : undefined;
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
