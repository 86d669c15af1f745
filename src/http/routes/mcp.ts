import { isIP } from 'node:net';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Keys } from '../../security/api-keys.ts';
import { presentedKey, requireKeys } from '../access/auth.ts';
import type { RateLimiter } from '../access/rate-limit.ts';
import { CALLER_ADDRESS, callerAddress, IN_PROCESS_URL, type InProcess, openInProcess } from '../in-process.ts';
import { takeJsonPictures } from '../protocol/json-pictures.ts';
import { clientGone } from '../protocol/open-streams.ts';
import { ProblemError } from '../protocol/problem.ts';

/** A request of MCP, its body read. */
export interface McpCall {
  readonly body: unknown;
  /** Pictures of data URLs, by what stands in their place in the body. */
  readonly takenPictures: Map<string, Uint8Array>;
  readonly apiKey: string | null;
  readonly address: string;
  /** Where the caller reaches the service. */
  readonly baseUrl: string;
  /** Reaches the API of this service as the caller. */
  readonly fetch: typeof fetch;
  /** Fires when calls are to be answered as things stand. */
  readonly ending: AbortSignal;
}

/** Answers a request of MCP. */
export type AnswerMcp = (request: Request, call: McpCall) => Promise<Response>;

interface McpRoutesOptions {
  readonly answer: AnswerMcp;
  readonly keys: Keys;
  readonly limiter: RateLimiter;
  readonly publicUrl: string | null;
  /** Origins of web pages that may call, beside the service's own; `*` for all. */
  readonly corsOrigins: readonly string[];
}

/** Pictures come as data URLs: as much as the OpenAI dialect takes. */
const BODY_BYTES = 32 * 1024 * 1024;

/**
 * `POST /mcp`: the Model Context Protocol over streamable HTTP, without sessions. What a tool does, it does by requests to the API of this
 * service, with the key and for the address of its caller; they are counted and limited like any others.
 */
export const mcpRoutes: FastifyPluginAsync<McpRoutesOptions> = async (app, options) => {
  const { answer, keys, limiter, publicUrl, corsOrigins } = options;
  const api = lateInProcess(app);
  const ending = new AbortController();
  app.addHook('preClose', async () => ending.abort());
  app.addHook('onRequest', async (request) => refuseForeignOrigin(request, publicUrl, corsOrigins));
  requireKeys(app, keys);

  app.post('/mcp', {
    config: { scope: 'any', rateLimitedAs: 'read', countsItself: () => true, picturesInJson: 'data' },
    bodyLimit: BODY_BYTES,
    schema: { hide: true },
    handler: async (request, reply) => {
      const { body } = request;
      // A tool's own requests are counted.
      if (!isToolCall(body)) await limiter.count(request, reply);
      const response = await answer(toWebRequest(request, clientGone(reply)), {
        body,
        takenPictures: picturesOf(request),
        apiKey: presentedKey(request),
        address: callerAddress(request),
        baseUrl: publicUrl ?? addressedUrl(request),
        fetch: fetchFor(request, await api(), publicUrl),
        ending: ending.signal,
      });
      // Switches off nginx's response buffering.
      return reply.header('x-accel-buffering', 'no').send(response);
    },
  });
};

/** Opens the way to the API at the first call, and closes it with the app. */
function lateInProcess(app: FastifyInstance): () => Promise<InProcess> {
  let opened: Promise<InProcess> | null = null;
  app.addHook('onClose', async () => {
    const api = await opened?.catch(() => null);
    await api?.close();
  });
  return () => {
    opened ??= openInProcess(app).catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
}

/**
 * Raises `forbidden` for a web page of another origin. A browser sends a page's origin, and a page that has its own host name point to this
 * machine has the service's name for its own: without `PUBLIC_URL` only names that cannot be pointed elsewhere count as the service's.
 */
function refuseForeignOrigin(request: FastifyRequest, publicUrl: string | null, corsOrigins: readonly string[]): void {
  const { origin } = request.headers;
  if (origin === undefined || corsOrigins.includes('*') || corsOrigins.includes(origin)) return;
  if (publicUrl !== null && origin === new URL(publicUrl).origin) return;
  const own = URL.parse(`${request.protocol}://${request.host}`);
  const name = own?.hostname.replace(/^\[|\]$/g, '') ?? '';
  if (own?.origin === origin && (name === 'localhost' || isIP(name) !== 0)) return;
  const detail = `web pages of ${origin} may not call this; CORS_ORIGINS lists those that may, and PUBLIC_URL names the service`;
  throw new ProblemError({ code: 'forbidden', detail });
}

/** The service as the request names it. Raises `invalid_request` where its `Host` is none: links could not lead anywhere. */
function addressedUrl({ protocol, host }: FastifyRequest): string {
  const given = `${protocol}://${host}`;
  const url = URL.parse(given);
  // Such as a host with a path.
  if (url === null || url.href !== `${url.origin}/` || /[/?#\\]/.test(host)) {
    const errors = [{ path: 'host', message: 'must be the host and the port of the service' }];
    throw new ProblemError({ code: 'invalid_request', detail: 'wrong in the headers: `host`; see errors', errors });
  }
  return url.origin;
}

function isToolCall(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'method' in body && body.method === 'tools/call';
}

/** The pictures of a body, which the request to the API counts among the bytes in hand again. */
function picturesOf(request: FastifyRequest): Map<string, Buffer> {
  using held = takeJsonPictures(request);
  return new Map(held?.pictures);
}

function toWebRequest(request: FastifyRequest, signal: AbortSignal): Request {
  const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' ? [[name, value]] : [],
  );
  return new Request(`${IN_PROCESS_URL}${request.url}`, { method: 'POST', headers, signal });
}

/** Reaches the API for the address of this caller, by URLs as the caller sees them: with the prefix that a proxy takes off. */
function fetchFor(request: FastifyRequest, { fetch }: InProcess, publicUrl: string | null): InProcess['fetch'] {
  const prefix = publicUrl === null ? '' : new URL(publicUrl).pathname.replace(/\/$/, '');
  const address = callerAddress(request);
  return (input, init) => {
    const asked = new Request(input, init);
    asked.headers.set(CALLER_ADDRESS, address);
    const { pathname, search } = new URL(asked.url);
    const path = pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : pathname;
    return fetch(new Request(`${IN_PROCESS_URL}${path}${search}`, asked));
  };
}
