import type { FastifyReply, FastifyRequest } from 'fastify';
import type { PublishedFile } from '../../core/images/published-file.ts';

/** Raises the problem of a request that may not have this file, or null where there is none. */
export type MediaAccess = (request: FastifyRequest, reply: FastifyReply, published: PublishedFile | null) => void;
