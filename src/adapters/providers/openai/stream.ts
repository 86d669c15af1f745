import { APIError, type OpenAI } from 'openai';
import { Stream } from 'openai/core/streaming';

/** Partial pictures to request, 0 to 3. OpenAI's guide to image generation counts 100 output tokens for each. */
export const PARTIAL_IMAGES = 2;

/**
 * Reads a streamed response up to the final picture and gives it in the shape of a response without streaming. Each
 * partial picture goes to `onPartial` as base64. Also accepts plain JSON, from a server that ignores the streaming parameter.
 * Raises the SDK's error for an error event, and an `Error` for a stream that ends without the final picture.
 */
export async function readStreamedResponse(
  response: Response,
  client: OpenAI,
  onPartial: (base64: string, index: number) => void,
): Promise<unknown> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return await response.json();
  // Leaving the loop closes the connection, in case the server keeps it open after the final event.
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
  throw new Error('the stream ended without the final picture');
}

/** True when the server rejected the request because it asks for streaming: nothing was generated. */
export function refusesStreaming(error: unknown): boolean {
  if (!(error instanceof APIError) || (error.status !== 400 && error.status !== 422)) return false;
  return /^(stream|partial_images)$/.test(error.param ?? '') || /\b(stream|partial_images)\b/.test(error.message);
}
