import type { FastifyReply, FastifyRequest } from 'fastify';
import { maySee } from '../../core/domain/request.ts';
import type { PublishedFile } from '../../core/images/published-file.ts';
import type { Keys } from '../../security/api-keys.ts';
import type { SignedLinks } from '../../security/signed-links.ts';
import { admit, hasKey } from '../access/auth.ts';
import { ProblemError } from '../protocol/problem.ts';

/**
 * Raises a problem when the request may not have this file; `published` is null when there is no such file. Otherwise returns for how many
 * seconds it may, as `SignedLinks` has it; null for no limit.
 */
export type MediaAccess = (
  request: FastifyRequest,
  reply: FastifyReply,
  published: PublishedFile | null,
) => number | null;

/**
 * Access to private pictures: by a signed URL from the record, or by a key with the scope `read` whose caller may see the image.
 *
 * A wrong signature is `forbidden`, whether it has expired, belongs to another file or was changed, and also when there is no
 * such file: the answer does not reveal which pictures exist.
 */
export function privateAccess(keys: Keys, links: SignedLinks): MediaAccess {
  return (request, reply, published) => {
    const { expires, signature } = request.query as { readonly expires?: unknown; readonly signature?: unknown };
    const secondsLeft = published && links.secondsLeft(published.content, expires, signature);
    if (secondsLeft !== null) return secondsLeft;
    if (!keys.inUse || (signature !== undefined && !hasKey(request))) {
      throw new ProblemError({
        code: 'forbidden',
        detail: 'the picture is private, and the URL is not, or no longer, a signed one; its record has a new one',
      });
    }
    const caller = admit(request, reply, keys, 'read');
    if (published !== null && !maySee(caller, published.owner)) {
      throw new ProblemError({ code: 'not_found', detail: 'there is no such picture' });
    }
    return null;
  };
}
