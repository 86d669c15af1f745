import type { Easel } from '../client/easel.ts';
import { EaselError } from '../client/errors.ts';
import type { ImageRecord } from '../client/shapes.ts';
import type { Progress } from './progress.ts';
import { ownProblem, ToolError } from './tool-problem.ts';

/** How a wait goes. */
export interface WaitOptions {
  /** Ends the wait, and nothing else. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Waits by asking for the picture again, as a key does that may make pictures and read none. */
  readonly join?: () => Promise<ImageRecord>;
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
  const ended = await follow(easel, mediaId, options).catch(async (error: unknown) => {
    if (error instanceof ToolError) throw error;
    const mayNotRead = error instanceof EaselError && error.code === 'forbidden';
    return mayNotRead && options.join !== undefined ? await joinRun(options.join, mediaId) : null;
  });
  return ended ?? (await easel.get(mediaId, { timeoutMs: LOOK_MS }).catch(() => known));
}

/** The record, where joining brought it. Raises the failure of the picture itself. */
async function joinRun(join: () => Promise<ImageRecord>, mediaId: string): Promise<ImageRecord | null> {
  return await join().catch((error: unknown) => {
    if (error instanceof EaselError && error.mediaId === mediaId) throw error;
    return null;
  });
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
