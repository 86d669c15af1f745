import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';
import type { BytesInHand } from '../../core/domain/bytes-in-hand.ts';
import { type MultipartBody, type MultipartLimits, readMultipart } from './multipart.ts';

/** How a route takes `multipart/form-data`. */
export interface MultipartRoute {
  readonly limits: MultipartLimits;
  /** The value that the route's schema of the body validates. Raises `ProblemError`. */
  readonly toBody: (body: MultipartBody, request: FastifyRequest) => unknown;
  /** What the OpenAPI document says of such bodies (a media type object), given the schema of those in JSON. */
  readonly document: (json: object) => object;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Makes the route take `multipart/form-data` besides JSON; absent, such a body is `unsupported_media_type`. */
    multipart?: MultipartRoute;
  }
}

/** The bodies of requests whose handler has not taken them. */
const bodies = new WeakMap<FastifyRequest, MultipartBody>();

/**
 * Makes `app` read `multipart/form-data` for the routes whose config has `multipart`. Call after `readJsonBodies`. All bodies together
 * take room of `inHand`; where there is none, a request is refused with `queue_full`, and with `payload_too_large` where there never is.
 */
export function readMultipartBodies(app: FastifyInstance, inHand: BytesInHand): void {
  app.addContentTypeParser('multipart/form-data', async (request: FastifyRequest, payload: typeof request.raw) => {
    const { headers, routeOptions } = request;
    const route = routeOptions.config.multipart;
    if (route === undefined) {
      // An unknown route is said to be one, whatever the body.
      if (request.is404 || headers['content-length'] === '0') return undefined;
      throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(headers['content-type']);
    }
    const limits = { ...route.limits, maxBytes: Math.min(route.limits.maxBytes, inHand.limit) };
    const body = await readMultipart(payload, headers, limits, inHand);
    bodies.set(request, body);
    return await route.toBody(body, request);
  });
  app.addHook('preParsing', (request, reply, payload, done) => {
    // A body that no handler takes, since it was refused or its client has left, ends with the answer.
    if (request.routeOptions.config.multipart)
      reply.raw.once('close', () => takeMultipart(request)?.[Symbol.dispose]());
    done(null, payload);
  });
}

/** The multipart body of a request, to look at; null for another body, and for one that was taken. */
export function heldMultipart(request: FastifyRequest): MultipartBody | null {
  return bodies.get(request) ?? null;
}

/**
 * The multipart body of a request, for its handler, which has to dispose of it as soon as its bytes are stored; null for another body,
 * and for one that was taken.
 */
export function takeMultipart(request: FastifyRequest): MultipartBody | null {
  const body = bodies.get(request) ?? null;
  bodies.delete(request);
  return body;
}
