import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import { handleClientError } from './broken-request.ts';
import { http } from './node-http.ts';
import type { Timeouts } from './timeouts.ts';

interface ServerOptions {
  readonly logger: FastifyBaseLogger;
  /** Gives each request its id. */
  readonly requestId: (request: IncomingMessage) => string;
  /** Answers, logs and counts a request for which no hook runs, since the router could not parse its path. */
  readonly answerUnrouted: (error: Error, request: FastifyRequest, reply: FastifyReply) => void;
  /** Answers a request, or hands it to `route`, which is the app. */
  readonly answerFirst: (request: IncomingMessage, response: ServerResponse, route: Route) => void;
  readonly timeouts: Timeouts;
  /** Proxies whose `X-Forwarded-*` headers are trusted; takes the values of Fastify's option of this name. */
  readonly trustProxy: boolean | string;
}

type Route = (request: IncomingMessage, response: ServerResponse) => void;

/** 1 MiB: many times the longest prompt with 16 metadata pairs. */
const BODY_LIMIT_BYTES = 1024 * 1024;
/** File names of pictures are up to some 150 characters long; Fastify's default of 100 would answer valid ones with 404. */
export const MAX_PARAM_LENGTH = 512;

/** Creates a Fastify instance with Easel's limits and timeouts. Errors outside of any route are answered with a problem too. */
export function createServer(options: ServerOptions): FastifyInstance {
  const { logger, requestId, answerUnrouted, answerFirst, timeouts, trustProxy } = options;
  return fastify({
    serverFactory(route) {
      const server = http.createServer(
        {
          headersTimeout: timeouts.headersMs,
          requestTimeout: timeouts.requestMs,
          keepAliveTimeout: timeouts.idleMs,
          connectionsCheckingInterval: timeouts.checkIntervalMs,
          // `requireHost` does this, and answers with a problem.
          requireHostHeader: false,
        },
        (request, response) => answerFirst(request, response, route),
      );
      return server.setTimeout(timeouts.stalledMs);
    },
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // A child logger per request takes a sixth of the CPU of a 304. It would add the request's id, which the log calls here pass along.
    childLoggerFactory: (parent) => parent,
    genReqId: requestId,
    trustProxy,
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // `refuseWorkWhileStopping` does this: it answers with a problem, and goes on serving all that is not new work.
    return503OnClosing: false,
    clientErrorHandler: handleClientError,
    frameworkErrors: answerUnrouted,
  });
}
