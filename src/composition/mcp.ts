import type { Logger } from 'pino';
import { makeAnswerPicture } from '../adapters/imaging/answer-picture.ts';
import type { AnswerMcp } from '../http/routes/mcp.ts';
import type { SmallPicture } from '../mcp/answers.ts';
import { createHttpHandler } from '../mcp/http-handler.ts';
import { loadSharp } from './optional-parts.ts';
import { VERSION } from './version.ts';

/** What answers to agents are made with, over whichever transport. */
export function mcpParts(waitSeconds: number, log: Logger) {
  return {
    version: VERSION,
    waitMs: waitSeconds * 1000,
    shrink: async (picture: Uint8Array): Promise<SmallPicture> => await makeAnswerPicture(await loadSharp(), picture),
    onPictureMissing: (mediaId: string, error: unknown) =>
      log.warn({ mediaId, err: error }, 'the answer to an agent bears no picture'),
    onDefect: (error: unknown) => log.error({ err: error }, 'a tool of an agent failed'),
  };
}

/** Creates what answers agents at `/mcp`. */
export function createMcp(waitSeconds: number, log: Logger): AnswerMcp {
  return createHttpHandler({
    ...mcpParts(waitSeconds, log),
    onRefused: (error) => log.debug({ err: error }, 'a request of an agent was refused'),
  });
}
