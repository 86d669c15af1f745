import { APIError, type OpenAI } from 'openai';
import { Stream } from 'openai/core/streaming';

/** Pictures on the way to ask for: 0 to 3. OpenAI's guide to image generation counts 100 output tokens for each. */
export const PARTIAL_IMAGES = 2;

/**
 * Reads a streamed answer up to the finished picture, and gives it in the shape of an answer that was not streamed. Each
 * picture on the way goes to `onPartial` as base64. A server that does not stream, and answers in plain JSON, is understood too.
 * Raises what the SDK raises for an error event, and an error for a stream that ends without the finished picture.
 */
export async function readStreamedAnswer(
  response: Response,
  client: OpenAI,
  onPartial: (base64: string, index: number) => void,
): Promise<unknown> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return await response.json();
  // Leaving the loop ends the connection: a server that keeps it open has nothing more to say.
  for await (const event of Stream.fromSSEResponse<unknown>(response, new AbortController(), client)) {
    if (typeof event !== 'object' || event === null || !('type' in event)) continue;
    if (event.type === 'image_generation.completed') {
      return { data: [event], ...('usage' in event && { usage: event.usage }) };
    }
    if (event.type !== 'image_generation.partial_image') continue;
    const { b64_json, partial_image_index } = event as { b64_json?: unknown; partial_image_index?: unknown };
    if (typeof b64_json === 'string' && Number.isInteger(partial_image_index)) {
      onPartial(b64_json, partial_image_index as number);
    }
  }
  throw new Error('the stream ended without the finished picture');
}

/** Whether the server, before doing anything, refused the call for its wish to have the answer streamed. */
export function refusesStreaming(error: unknown): boolean {
  if (!(error instanceof APIError) || (error.status !== 400 && error.status !== 422)) return false;
  return /^(stream|partial_images)$/.test(error.param ?? '') || /\b(stream|partial_images)\b/.test(error.message);
}
