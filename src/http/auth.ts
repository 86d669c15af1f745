import type { FastifyRequest } from 'fastify';
import type { Caller } from '../images/service.ts';

/** Says who sent a request. */
export type Identify = (request: FastifyRequest) => Caller;

/** Without API keys everyone is the same caller, who may see and do everything. */
export const everyone: Identify = () => ANONYMOUS;

const ANONYMOUS: Caller = { name: 'anonymous', admin: true };
