/** The words in which the page says what the API says in codes. */

import type { ServiceError } from '../service/service-error.ts';
import type { Attempt, ImageStatus, ProblemCode } from '../service/types.ts';

export const STATUS_WORDS: Readonly<Record<ImageStatus, string>> = {
  queued: 'Waiting',
  generating: 'Being painted',
  processing: 'Being finished',
  succeeded: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

export const OUTCOME_WORDS: Readonly<Record<Attempt['outcome'], string>> = {
  running: 'is running',
  ok: 'brought the picture',
  failed: 'failed, and is not billed',
  unknown: 'ended without a known outcome, and may be billed',
  cancelled: 'was cancelled',
};

/** Fields of a request that are not called in the form what the API calls them. */
const FIELD_WORDS: Readonly<Record<string, string>> = {
  mediaId: 'Name',
  ttlSeconds: 'Days to keep',
  inputs: 'Pictures to start from',
  brief: 'What to show',
};

/** What a form calls the field of a path such as `inputs.0`: `Pictures to start from, 1`. */
export function nameField(path: string): string {
  const [first = '', ...rest] = path.split('.');
  const [part = '', ...others] = first === 'brief' && rest.length > 0 ? rest : [first, ...rest];
  const name = FIELD_WORDS[part] ?? part.charAt(0).toUpperCase() + part.slice(1);
  const place = others.find((one) => /^\d+$/.test(one));
  return place === undefined ? name : `${name}, ${Number(place) + 1}`;
}

interface Explanation {
  readonly title: string;
  /** What to do. */
  readonly advice: string;
}

const EXPLANATIONS: Readonly<Record<ProblemCode, Explanation>> = {
  invalid_request: {
    title: 'Something in the request is not right',
    advice: 'Correct what is marked, and send it again.',
  },
  unauthorized: { title: 'A key is needed', advice: 'Enter an API key of this service.' },
  forbidden: { title: 'This key may not do that', advice: 'Use a key with more rights, or ask the operator for one.' },
  not_found: { title: 'There is no such picture', advice: 'It may have been deleted, or it belongs to another key.' },
  media_id_conflict: {
    title: 'This name is taken',
    advice: 'Choose another name, or send exactly the same request as before.',
  },
  not_retryable: { title: 'There is nothing to run again', advice: 'The picture is being made, or is done.' },
  payload_too_large: { title: 'This picture is too large', advice: 'Use a smaller file.' },
  unsupported_media_type: { title: 'This kind of file is not read here', advice: 'Use a PNG, JPEG or WebP picture.' },
  unsupported_parameter: {
    title: 'The model cannot do this',
    advice: 'Choose another model, or change what is marked.',
  },
  prompt_rejected: {
    title: 'The provider refused the prompt',
    advice: 'Its safety system said no. Change the words, and make it again with changes.',
  },
  idempotency_key_reused: { title: 'This request was sent before with other contents', advice: 'Send it once more.' },
  rate_limited: { title: 'Too many requests at once', advice: 'Wait a moment, and send it again.' },
  budget_exhausted: {
    title: "Today's budget is spent",
    advice: 'Wait until midnight UTC, or raise BUDGET_USD_PER_DAY.',
  },
  queue_full: { title: 'The queue is full', advice: 'Wait until some pictures are done, and send it again.' },
  internal_error: { title: 'Something went wrong inside the service', advice: 'The log has it, by the request id.' },
  provider_failed: { title: 'The provider brought no picture', advice: 'Retry it later; this may cost again.' },
  invalid_image: {
    title: 'The picture did not pass its checks',
    advice: 'Look at the checks. A retry pays for another picture.',
  },
  provider_unavailable: {
    title: 'No provider can be used now',
    advice: 'Wait until one works again: Operations shows which.',
  },
  storage_unavailable: {
    title: 'Pictures cannot be stored now',
    advice: 'Look at the disk or the bucket, then try again.',
  },
  shutting_down: { title: 'The service is stopping', advice: 'Send it again in a moment.' },
  provider_timeout: {
    title: 'The provider did not answer in time',
    advice: 'The call may be billed. A retry may cost again.',
  },
  storage_full: { title: 'There is no room for pictures', advice: 'Free some: delete pictures, or run a cleanup.' },
};

const UNREACHABLE: Explanation = {
  title: 'The service cannot be reached',
  advice: 'It is tried again by itself; what you typed stays here.',
};

/** A title and an advice for a code of a problem or of a failed picture; of a code that is not known, the one for defects. */
export function explain(code: string): Explanation {
  return Object.hasOwn(EXPLANATIONS, code) ? EXPLANATIONS[code as ProblemCode] : EXPLANATIONS.internal_error;
}

/** The same for an error of a request. */
export function explainError({ problem }: ServiceError): Explanation {
  return problem === null ? UNREACHABLE : explain(problem.code);
}
