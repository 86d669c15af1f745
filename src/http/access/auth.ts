import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ANONYMOUS, type Caller } from '../../core/domain/request.ts';
import {
  type Access,
  type ApiKey,
  allows,
  effectiveScopes,
  type Keys,
  SCOPES,
  type Scope,
} from '../../security/api-keys.ts';
import { ProblemError } from '../protocol/problem.ts';

/** Gives the caller of an authenticated request. */
export type Identify = (request: FastifyRequest) => Caller;

declare module 'fastify' {
  interface FastifyRequest {
    /** The authenticated caller; null before authentication, and on routes that need no key. */
    caller: Caller | null;
    /** The scopes that the caller has in effect; null where `caller` is null. */
    scopes: readonly Scope[] | null;
  }
  interface FastifyContextConfig {
    /** The scope that the key needs; `any` for a key of whatever scope. Default by the method: `read` for GET and HEAD, else `generate`. */
    scope?: Scope | 'any';
  }
}

/** `WWW-Authenticate` of a 401, and of a 403 for a missing scope (RFC 6750, 3). */
const CHALLENGE = 'Bearer realm="easel"';

/** The challenge to which a browser asks for a name and a password (RFC 7617, 2). */
const BROWSER_CHALLENGE = 'Basic realm="easel", charset="UTF-8"';

/** Declares `request.caller` and `request.scopes` on `app` and its child scopes. */
export function decorateCaller(app: FastifyInstance): void {
  app.decorateRequest('caller', null);
  app.decorateRequest('scopes', null);
}

/** Requires a key with the route's scope on every route of `scope`, before the body is read. */
export function requireKeys(scope: FastifyInstance, keys: Keys): void {
  scope.addHook('onRequest', async (request, reply) => {
    const byMethod = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'generate';
    admit(request, reply, keys, request.routeOptions.config.scope ?? byMethod);
  });
}

/** Requires a key with the scope `metrics` on every route of `scope`, unless `access` is `open`. */
export function guardMetrics(scope: FastifyInstance, keys: Keys, access: Access): void {
  if (access === 'open') return;
  scope.addHook('onRequest', async (request, reply) => {
    admit(request, reply, keys, 'metrics');
  });
}

/**
 * Requires a key of any scope on every route of `scope`, which are pages, unless `access` is `open`. A browser asks for it as a password
 * and sends it as Basic, under any user name. Elsewhere Basic is not read: a browser adds it to requests by itself, which would let
 * every page that it opens call the API.
 */
export function guardPages(scope: FastifyInstance, keys: Keys, access: Access): void {
  if (access === 'open' || !keys.inUse) return;
  scope.addHook('onRequest', async (request, reply) => {
    const key = findRequestKey(keys, presentedKey(request) ?? passwordOf(request), (challenge) =>
      reply.header('www-authenticate', [challenge, BROWSER_CHALLENGE]),
    );
    request.caller = callerWith(key);
    request.scopes = effectiveScopes(key.scopes);
  });
}

/** The caller of a request that passed `requireKeys`. Throws on a route that is registered outside of it. */
export const callerOf: Identify = ({ caller }) => {
  if (caller === null) throw new Error('the route is registered outside requireKeys');
  return caller;
};

/**
 * Authenticates the request by its API key and sets `request.caller` and `request.scopes`. Raises `unauthorized` without a known key, and
 * `forbidden` when the key lacks the scope. A key in the URL is not read: URLs end up in logs and `Referer` headers.
 */
export function admit(request: FastifyRequest, reply: FastifyReply, keys: Keys, scope: Scope | 'any'): Caller {
  const key = keys.inUse ? authenticate(request, reply, keys, scope) : null;
  request.scopes = key === null ? SCOPES : effectiveScopes(key.scopes);
  request.caller = key === null ? ANONYMOUS : callerWith(key);
  return request.caller;
}

/** Whether a request that was admitted would still be, as the same caller: keys can be withdrawn or changed while an answer goes on. */
export type StillKnown = (request: FastifyRequest, scope: Scope) => boolean;

export function createStillKnown(keys: Keys): StillKnown {
  return (request, scope) => {
    if (!keys.inUse) return true;
    const secret = presentedKey(request);
    const key = secret === null ? null : keys.find(secret);
    if (key === null || !allows(key.scopes, scope)) return false;
    const { name, seesAll } = callerWith(key);
    return name === request.caller?.name && seesAll === request.caller.seesAll;
  };
}

/** True when the request presents a key, known or not. */
export function hasKey(request: FastifyRequest): boolean {
  return presentedKey(request) !== null;
}

function authenticate(request: FastifyRequest, reply: FastifyReply, keys: Keys, scope: Scope | 'any'): ApiKey {
  const challenge = (text: string) => reply.header('www-authenticate', text);
  const key = findRequestKey(keys, presentedKey(request), challenge);
  if (scope !== 'any' && !allows(key.scopes, scope)) {
    challenge(`${CHALLENGE}, error="insufficient_scope", scope="${scope}"`);
    throw new ProblemError({ code: 'forbidden', detail: `the API key ${key.name} lacks the scope ${scope}` });
  }
  return key;
}

/** The key with this secret. Raises `unauthorized` for none and for an unknown one, after `challenge` was called with the challenge. */
function findRequestKey(keys: Keys, secret: string | null, challenge: (text: string) => void): ApiKey {
  if (secret === null) {
    challenge(CHALLENGE);
    throw new ProblemError({
      code: 'unauthorized',
      detail: 'send an API key, as `Authorization: Bearer …` or as `x-api-key`',
    });
  }
  const key = keys.find(secret);
  if (key === null) {
    challenge(`${CHALLENGE}, error="invalid_token"`);
    throw new ProblemError({ code: 'unauthorized', detail: 'the API key is not known here' });
  }
  return key;
}

function callerWith({ name, scopes }: ApiKey): Caller {
  return { name, seesAll: allows(scopes, 'read-all'), admin: scopes.includes('admin') };
}

/** The key that a request presents, known or not: the secret of the scheme `Bearer` in `Authorization`, else `x-api-key`; null for none. */
export function presentedKey({ headers }: FastifyRequest): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  const given = bearer ?? headers['x-api-key'];
  return typeof given === 'string' && given !== '' ? given : null;
}

/** The password of the scheme `Basic` in `Authorization` (RFC 7617, 2), whatever the user name. */
function passwordOf({ headers }: FastifyRequest): string | null {
  const encoded = /^Basic +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? '';
  const password = /^[^:]*:(.+)$/s.exec(Buffer.from(encoded, 'base64').toString())?.[1];
  return password ?? null;
}
