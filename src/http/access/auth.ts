import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '../../api/problem.ts';
import type { Caller } from '../../core/domain/request.ts';
import { type Access, allows, type Keys, type Scope } from '../../security/api-keys.ts';

/** Says who sent a request that was let in. */
export type Identify = (request: FastifyRequest) => Caller;

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent it; null until it was let in, and for ever where no key is asked for. */
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** What the key needs, where it is not what the method says: `read` for GET and HEAD, `generate` for the rest. */
    scope?: Scope;
  }
}

/** Without API keys everyone is the same caller, who may see and do everything. */
export const ANONYMOUS: Caller = { name: 'anonymous', admin: true };

/** RFC 6750, 3: what a 401 asks for, and a 403 for want of a scope. */
const CHALLENGE = 'Bearer realm="easel"';

/** Makes room for the caller on every request of `app` and the scopes inside it. */
export function decorateCaller(app: FastifyInstance): void {
  app.decorateRequest('caller', null);
}

/** Has every route of `scope` ask for a key that may do what the route does, before anything of the request is read. */
export function requireKeys(scope: FastifyInstance, keys: Keys): void {
  scope.addHook('onRequest', async (request, reply) => {
    const byMethod = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'generate';
    admit(request, reply, keys, request.routeOptions.config.scope ?? byMethod);
  });
}

/** Has every route of `scope` ask for a key with `admin`, unless it is open. */
export function requireAdmin(scope: FastifyInstance, keys: Keys, access: Access): void {
  if (access === 'open') return;
  scope.addHook('onRequest', async (request, reply) => {
    admit(request, reply, keys, 'admin');
  });
}

/** The caller of a request that `requireKeys` let in. */
export const callerOf: Identify = ({ caller }) => {
  if (caller === null) throw new Error('the route stands outside the doors');
  return caller;
};

/**
 * Whose key the request bears, who is then its caller. Raises `unauthorized` where there is no key or an unknown one, and
 * `forbidden` where the key lacks the scope. A key in the URL is none: URLs are logged and passed on.
 */
export function admit(request: FastifyRequest, reply: FastifyReply, keys: Keys, scope: Scope): Caller {
  request.caller = keys.inUse ? authenticate(request, reply, keys, scope) : ANONYMOUS;
  return request.caller;
}

/** Whether the request bears something that is meant as a key. */
export function hasKey(request: FastifyRequest): boolean {
  return secretOf(request) !== null;
}

function authenticate(request: FastifyRequest, reply: FastifyReply, keys: Keys, scope: Scope): Caller {
  const secret = secretOf(request);
  if (secret === null) {
    reply.header('www-authenticate', CHALLENGE);
    throw new ProblemError({
      code: 'unauthorized',
      detail: 'send an API key, as `Authorization: Bearer …` or as `x-api-key`',
    });
  }
  const key = keys.find(secret);
  if (key === null) {
    reply.header('www-authenticate', `${CHALLENGE}, error="invalid_token"`);
    throw new ProblemError({ code: 'unauthorized', detail: 'the API key is not known here' });
  }
  if (!allows(key.scopes, scope)) {
    reply.header('www-authenticate', `${CHALLENGE}, error="insufficient_scope", scope="${scope}"`);
    throw new ProblemError({ code: 'forbidden', detail: `the API key ${key.name} lacks the scope ${scope}` });
  }
  return { name: key.name, admin: key.scopes.includes('admin') };
}

/** `Authorization` where it is of the kind Bearer, else `x-api-key`. */
function secretOf({ headers }: FastifyRequest): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  const given = bearer ?? headers['x-api-key'];
  return typeof given === 'string' && given !== '' ? given : null;
}
