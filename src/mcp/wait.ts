import type { Easel } from '../client/easel.ts';
import type { ImageRecord } from '../client/shapes.ts';
import type { Progress } from './progress.ts';
import { ownProblem, ToolError } from './tool-problem.ts';

/** How a wait goes. */
export interface WaitOptions {
  /** Ends the wait, and nothing else. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** How long the last look at a record may take, in milliseconds. */
const LOOK_MS = 5_000;

/**
 * Waits until a picture has ended, or until `signal` fires. Resolves to its record as far as it could be read: a picture that was accepted
 * is never lost for a fault of the wait. Raises `not_found` for one that was deleted meanwhile.
 */
export async function waitForEnd(easel: Easel, known: ImageRecord, options: WaitOptions): Promise<ImageRecord> {
  const { mediaId } = known;
  if (hasEnded(known)) return known;
  options.progress.report(mediaId, known.status);
  const ended = await follow(easel, mediaId, options).catch((error: unknown) => {
    if (error instanceof ToolError) throw error;
    return null;
  });
  return ended ?? (await easel.get(mediaId, { timeoutMs: LOOK_MS }).catch(() => known));
}

async function follow(easel: Easel, mediaId: string, { signal, progress }: WaitOptions): Promise<ImageRecord | null> {
  for await (const event of easel.events(mediaId, { signal })) {
    if (event.type === 'status') progress.report(mediaId, event.data.status, event.data.attempts);
    if (event.type === 'done') return event.data;
    if (event.type === 'deleted') throw new ToolError(ownProblem('not_found', 'the picture was deleted', { mediaId }));
  }
  return null;
}

/** Whether nothing more happens by itself. */
export function hasEnded({ status }: ImageRecord): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}
