import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Image } from '../../core/domain/image.ts';
import type { Precondition } from '../../core/images/patch.ts';
import { recordTag } from '../../core/images/record-tag.ts';
import { evaluateConditions, isMalformedTagList } from '../media/conditional.ts';
import { ProblemError } from './problem.ts';

/** The header of every answer that is a record, for the document. */
export const RECORD_TAG = {
  type: 'string',
  description: 'Of the record. It changes with it, and not with the place in line or the signatures of URLs.',
};

/** The entity tag of an image's record. */
function etagOf(image: Image): string {
  return `"${recordTag(image)}"`;
}

/** Gives the answer, which is the record of this image, its entity tag. */
export function setRecordTag(reply: FastifyReply, image: Image): FastifyReply {
  return reply.header('etag', etagOf(image));
}

/**
 * Whether the client of a GET has this record already. Raises `invalid_request` with status 412 for an `If-Match` that does not name it.
 * `mayRepeat` is false where the answer holds more than the tag names, such as URLs with signatures, which run out: it is then sent whole.
 */
export function isRecordKnown({ raw }: FastifyRequest, image: Image, mayRepeat: boolean): boolean {
  const condition = evaluateConditions(raw.headers, etagOf(image));
  if (condition === 'precondition_failed') throw preconditionFailed('if-match', raw.headers['if-match'], image);
  // The place in line moves while the record stays.
  return condition === 'not_modified' && mayRepeat && image.status !== 'queued';
}

/** What `If-Match` (or `If-None-Match`) of a request that changes a record asks of it; raises `invalid_request` with status 412. */
export function preconditionOf({ raw }: FastifyRequest): Precondition {
  const { 'if-match': match, 'if-none-match': noneMatch } = raw.headers;
  return (current) => {
    if (evaluateConditions(raw.headers, etagOf(current)) === 'proceed') return;
    const header = match === undefined ? 'if-none-match' : 'if-match';
    throw preconditionFailed(header, match ?? noneMatch, current, 'nothing was changed: ');
  };
}

function preconditionFailed(header: string, given = '', { mediaId }: Image, effect = ''): ProblemError {
  const message = isMalformedTagList(given)
    ? 'must be `*`, or entity tags in double quotes, as `ETag` of the record has them'
    : header === 'if-match'
      ? `does not name the record as it stands: GET /images/${mediaId}, look at what has changed, and send its ETag`
      : 'names the record as it stands';
  return new ProblemError({
    code: 'invalid_request',
    status: 412,
    detail: `${effect}${header} ${message}`,
    errors: [{ path: header, message }],
    mediaId,
  });
}
