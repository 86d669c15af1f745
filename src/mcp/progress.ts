import type { ServerContext } from '@modelcontextprotocol/server';
import type { ImageStatus, StatusReport } from '../client/shapes.ts';

/** Reports how far a picture is. */
export interface Progress {
  report(mediaId: string, status: ImageStatus, attempts?: StatusReport['attempts']): void;
}

/** The stages in their order; a picture has as many to go through. */
const STAGES: readonly ImageStatus[] = ['queued', 'generating', 'processing', 'succeeded'];
const WORDS: Readonly<Partial<Record<ImageStatus, string>>> = {
  queued: 'waits for its turn',
  generating: 'is being made by the model',
  processing: 'has arrived, and is being finished',
};

/** Sends the stages as notifications where the client asked for them, each once. The first message names the picture. */
export function createProgress({ mcpReq }: ServerContext): Progress {
  const progressToken = mcpReq._meta?.progressToken;
  let last = '';
  let reached = 0;
  return {
    report(mediaId, status, attempts = []) {
      const words = WORDS[status];
      if (progressToken === undefined || words === undefined) return;
      const again = attempts.length > 1 ? ` (call ${attempts.length})` : '';
      const message = `${mediaId} ${words}${again}`;
      if (message === last) return;
      last = message;
      // It has to grow, also where a picture goes back to its queue.
      reached = Math.max(STAGES.indexOf(status), reached + 0.01);
      const params = { progressToken, progress: reached, total: STAGES.length - 1, message };
      // A client that has left gets none.
      mcpReq.notify({ method: 'notifications/progress', params }).catch(() => undefined);
    },
  };
}
