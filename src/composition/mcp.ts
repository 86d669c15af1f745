import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Logger } from 'pino';
import { makeAnswerPicture } from '../adapters/imaging/answer-picture.ts';
import type { Easel } from '../client/easel.ts';
import type { AnswerMcp } from '../http/routes/mcp.ts';
import type { SmallPicture } from '../mcp/answers.ts';
import { absoluteUrl } from '../mcp/links.ts';
import type { StdioConnection } from '../mcp/stdio.ts';
import { loadSharp } from './optional-parts.ts';
import { VERSION } from './version.ts';

/** What answers to agents are made with, over whichever transport. */
function mcpParts(waitSeconds: number, log: Logger) {
  return {
    version: VERSION,
    waitMs: waitSeconds * 1000,
    shrink: async (picture: Uint8Array): Promise<SmallPicture> => await makeAnswerPicture(await loadSharp(), picture),
    onPictureMissing: (mediaId: string, error: unknown) =>
      log.warn({ mediaId, err: error }, 'the answer to an agent bears no picture'),
    onDefect: (error: unknown) => log.error({ err: error }, 'a tool of an agent failed'),
    onRefused: (error: Error) => log.debug({ err: error }, 'a request of an agent was refused'),
  };
}

/** Creates what answers agents at `/mcp`. */
export function createMcp(waitSeconds: number, log: Logger): AnswerMcp {
  let loading: Promise<AnswerMcp> | null = null;
  // The SDK takes time and memory, and most services have no agents.
  const load = async () => {
    const { createHttpHandler } = await import('../mcp/http-handler.ts');
    return createHttpHandler(mcpParts(waitSeconds, log));
  };
  return async (request, call) => {
    loading ??= load();
    return await (await loading)(request, call);
  };
}

interface StdioOptions {
  readonly waitSeconds: number;
  readonly log: Logger;
  /** The service, opened where that is still to be done. */
  readonly openEasel: () => Promise<Easel>;
  /** Where the service is; null for one in this process. */
  readonly url: string | null;
}

/** Serves an agent over standard input and output. Links lead to the service, or to the files of one in this process. */
export async function serveMcp({ waitSeconds, log, openEasel, url }: StdioOptions): Promise<StdioConnection> {
  const { serveOverStdio } = await import('../mcp/stdio.ts');
  return serveOverStdio({
    ...mcpParts(waitSeconds, log),
    // There is one client, and the log is where its person looks: a message that is too long ends the connection.
    onRefused: (error) => log.warn({ err: error }, 'a message of the agent was refused'),
    openEasel,
    linkTo: (record) => (url === null ? fileUrl(record.path ?? '') : absoluteUrl(record.url, url)),
  });
}

function fileUrl(path: string): string {
  // Such as `s3://bucket/key`.
  return /^[a-z][a-z\d+.-]+:\/\//i.test(path) ? path : pathToFileURL(resolve(path)).href;
}
