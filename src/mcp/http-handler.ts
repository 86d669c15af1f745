import { createMcpHandler } from '@modelcontextprotocol/server';
import { createEasel } from '../client/client.ts';
import type { AnswerParts } from './answers.ts';
import { createCallMemory } from './call-memory.ts';
import type { TakenPictures } from './given-pictures.ts';
import { absoluteUrl } from './links.ts';
import { createMcpServer } from './server.ts';

/** A request of MCP over HTTP, its body read. */
export interface HttpCall {
  readonly body: unknown;
  readonly takenPictures: TakenPictures;
  /** The key of the caller; null for none. */
  readonly apiKey: string | null;
  /** Tells callers without a key apart. */
  readonly address: string;
  /** Where the caller reaches the service. */
  readonly baseUrl: string;
  /** Reaches the API as the caller. */
  readonly fetch: typeof fetch;
  /** Fires when calls are to be answered as things stand. */
  readonly ending: AbortSignal;
}

interface HttpHandlerParts extends Omit<AnswerParts, 'linkTo'> {
  readonly version: string;
  readonly waitMs: number;
  /** Notes a defect. */
  readonly onDefect: (error: unknown) => void;
  /** Notes a request that was refused. */
  readonly onRefused: (error: Error) => void;
}

/** Answers requests of MCP, of both eras of the protocol. Nothing is held between requests but what `createCallMemory` remembers. */
export function createHttpHandler({ onRefused, ...parts }: HttpHandlerParts) {
  const memory = createCallMemory();
  return async (request: Request, call: HttpCall): Promise<Response> => {
    const { body, takenPictures, apiKey, address, baseUrl, ending } = call;
    const caller = apiKey === null ? `address ${address}` : `key ${apiKey}`;
    const left = leftCallOf(body);
    if (left !== null) memory.leave({ caller, requestId: left });
    // It is not sent again: what was refused is for the agent to know at once.
    const easel = createEasel({ baseUrl, apiKey, fetch: call.fetch, maxRetries: 0 });
    const server = () =>
      createMcpServer({
        ...parts,
        openEasel: async () => easel,
        linkTo: ({ url }) => absoluteUrl(url, baseUrl),
        caller,
        memory,
        takenPictures,
        ending,
      });
    // There is nothing to subscribe to.
    const handler = createMcpHandler(server, { maxSubscriptions: 0, onerror: onRefused });
    return await handler.fetch(request, { parsedBody: body });
  };
}

/**
 * The call that a client waits for no longer, by its id. Clients of the older era say so by a request of its own, and leave the connection
 * of the call open.
 */
function leftCallOf(body: unknown): string | number | null {
  const { method, params } = (body ?? {}) as { readonly method?: unknown; readonly params?: { requestId?: unknown } };
  const id = method === 'notifications/cancelled' ? params?.requestId : null;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}
