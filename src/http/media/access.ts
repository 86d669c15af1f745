import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '../../api/problem.ts';
import { ImageError } from '../../core/domain/errors.ts';
import type { PublishedFile } from '../../core/images/published-file.ts';
import type { Keys } from '../../security/api-keys.ts';
import type { SignedLinks } from '../../security/signed-links.ts';
import { admit, hasKey } from '../access/auth.ts';

/** Raises the problem of a request that may not have this file, or null where there is none. */
export type MediaAccess = (request: FastifyRequest, reply: FastifyReply, published: PublishedFile | null) => void;

/**
 * Lets a picture be fetched with the URL that its record gave, or with a key that has `read` and sees the image.
 *
 * A signature that is not right is `forbidden`, whether it has expired, is another file's or was changed, and also where there
 * is no such file, or no more: nobody learns from it which pictures there are.
 */
export function privateAccess(keys: Keys, links: SignedLinks): MediaAccess {
  return (request, reply, published) => {
    const { expires, signature } = request.query as { readonly expires?: unknown; readonly signature?: unknown };
    if (published !== null && links.verify(published.file, expires, signature)) return;
    if (!keys.inUse || (signature !== undefined && !hasKey(request))) {
      throw new ProblemError({
        code: 'forbidden',
        detail: 'the picture is private, and the URL is not, or no longer, a signed one; its record has a new one',
      });
    }
    const caller = admit(request, reply, keys, 'read');
    if (published !== null && !(caller.admin || caller.name === published.owner)) {
      throw new ImageError('not_found', 'there is no such picture');
    }
  };
}
