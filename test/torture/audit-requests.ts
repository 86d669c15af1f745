/** Checks, at the end of a round, what became of each request and each call, and what they cost. */

import type { Image } from '../../src/core/domain/image.ts';
import type { Call } from '../support/openai/call.ts';
import { AMBIGUOUS, REFUSED } from './answers.ts';
import { isKeptUnfinished, isSpent } from './audit.ts';
import type { Audited, ClientRequest, DialectCall } from './clients.ts';
import { hasSource } from './load.ts';

export const AMBIGUOUS_RETRIES = 1;
/** What the model API bills for each picture. */
export const PRICE_USD = 0.01;

const ALLOWED_UNKNOWNS = AMBIGUOUS_RETRIES + 1;

type Report = (what: string) => void;

/** The images, the calls to the model and the lost attempts that belong to one prompt. */
interface Traces {
  readonly images: readonly Image[];
  readonly calls: readonly Call[];
  readonly killed: ReadonlySet<string>;
  /** Calls that brought a picture after another process had begun the next one, since the first did not go on meanwhile. */
  readonly overtaken: number;
  readonly about: string;
}

function tracesOf({ upstream, lost, knowsLosses, isCluster }: Audited, prompt: string, all: readonly Image[]): Traces {
  const images = findImages(all, prompt);
  const killed = new Set([...(lost.get(prompt) ?? []), ...(knowsLosses ? [] : unanswered(images))]);
  const calls = upstream.calls.filter(({ body }) => body.prompt === prompt);
  const overtaken = isCluster ? overtakenCalls(images) : 0;
  return {
    images,
    calls,
    killed,
    overtaken,
    about: `${calls.length} calls, ${killed.size} killed, ${images.length} on record`,
  };
}

const isAmbiguous = ({ behaviour }: Call) => AMBIGUOUS.has(behaviour ?? '');
const isPaid = ({ behaviour }: Call) => behaviour !== REFUSED;

/**
 * What is wrong with the end of one request: its image must exist once, every call for it must be on record with its outcome, and no
 * call may follow that the limits do not allow.
 */
export function auditRequest(round: Audited, request: ClientRequest, all: readonly Image[]): readonly string[] {
  const { prompt } = request.body;
  const traces = tracesOf(round, prompt, all);
  const { images, calls, killed } = traces;
  const findings: string[] = [];
  const report = (what: string) => findings.push(`${prompt} (${traces.about}): ${what}`);

  // The attempts of a deleted image are gone: which of its calls ended with their thread is not known, only how many may have.
  const hasNoRecord = !round.knowsLosses && images.length === 0;
  const most = hasNoRecord
    ? ALLOWED_UNKNOWNS * (1 + request.retries)
    : killed.size + traces.overtaken + calls.filter(isAmbiguous).length + 1;
  if (calls.filter(isPaid).length > most) report('paid more than once, and once for each call of unknown outcome');
  if (images.length > 1) report(`is there ${images.length} times`);
  const [image] = images;
  if (!image) {
    if (request.accepted && request.deletion === null) report('was accepted and is lost');
    return findings;
  }
  if (request.deletion === 'done') report('was deleted and is there');
  if (!request.accepted && hasSource(request)) report('is there, and its client is refused');
  auditAttempts(traces, request.retries, report);
  auditEnd(round, image, report);
  return findings;
}

/**
 * What is wrong with the end of one call of the dialect: each of its clients has an answer, with the pictures of a whole call; calls of
 * clients that each want their own picture are as many as were accepted for sure, and no more than there are clients.
 */
export function auditCall(round: Audited, call: DialectCall, all: readonly Image[]): readonly string[] {
  const traces = tracesOf(round, call.prompt, all);
  const { images, calls, killed } = traces;
  const findings: string[] = [];
  const report = (what: string) => findings.push(`${call.prompt}, ${call.path} (${traces.about}): ${what}`);

  const most = killed.size + traces.overtaken + calls.filter(isAmbiguous).length + images.length;
  if (calls.filter(isPaid).length > most) report('paid more than once, and once for each call of unknown outcome');
  const groups = Object.values(Object.groupBy(images, (image) => image.call?.id ?? '')) as Image[][];
  const isKeyed = 'idempotency-key' in call.headers;
  const accepted = call.clients.filter(({ isAccepted }) => isAccepted).length;
  // Where the first replica is held up before it has accepted the call, nothing tells the retry at another one from a new call.
  const fresh = round.isCluster ? call.clients.reduce((sum, { sends }) => sum + sends, 0) : call.clients.length;
  const [least, limit] = isKeyed ? [1, 1] : [Math.max(1, accepted), fresh];
  if (groups.length < least || groups.length > limit)
    report(`is there ${groups.length} times, for ${call.clients.length} clients of which ${accepted} were accepted`);
  for (const group of groups) if (group.length !== call.count) report(`has ${group.length} pictures of ${call.count}`);
  auditAttempts(traces, 0, report);
  for (const image of images) auditEnd(round, image, report);
  auditAnswers(call, groups, report);
  return findings;
}

function auditAnswers({ clients, headers }: DialectCall, groups: readonly Image[][], report: Report): void {
  for (const { answer, sends } of clients) {
    if (answer === null) {
      report(`has no answer after ${sends} sends`);
      continue;
    }
    const group = groups.find(
      ([image]) => image?.mediaId === answer.mediaIds[0] || image?.call?.id === answer.mediaIds[0],
    );
    const made = (group ?? []).flatMap(({ master }) => master?.sha256 ?? []).sort();
    if (answer.mediaIds.join() !== group?.map(({ mediaId }) => mediaId).join())
      report(`was answered with ${answer.mediaIds}, which is no call`);
    if (answer.status === 'failed' ? made.length > 0 : made.join() !== answer.pictures.toSorted().join())
      report(`${answer.status} with ${answer.pictures.length} pictures; ${made.length} were made`);
  }
  // Which client has been given which pictures is known to one process only.
  const [one, other] = clients;
  const isOneLife = [one, other].every((client) => client?.life === one?.life && client?.answer?.life === one?.life);
  const haveOwn = !('idempotency-key' in headers) && clients.every(({ isAccepted }) => isAccepted);
  if (one && other && isOneLife && haveOwn && one.answer?.mediaIds[0] === other.answer?.mediaIds[0])
    report('two clients that each had their own call were given the same pictures');
}

/** Every call to the model is on record with its outcome, and those of unknown outcome are within their limit. */
function auditAttempts({ images, calls, killed }: Traces, retries: number, report: Report): void {
  const attempts = images.flatMap((image) => image.attempts);
  const unknown = attempts.filter(({ outcome }) => outcome === 'unknown');
  const answered = new Set(calls.filter(isAmbiguous).map((call) => call.requestId));
  for (const { id, providerRequestId } of unknown) {
    const isKnown = providerRequestId === null ? killed.has(id) : answered.has(providerRequestId);
    if (!isKnown) report(`attempt ${id} is unknown, although its call was neither killed nor answered ambiguously`);
  }
  for (const id of killed)
    if (!unknown.some((attempt) => attempt.id === id)) report(`attempt ${id} was killed and is not unknown`);
  if (attempts.some(({ outcome }) => outcome === 'cancelled')) report('has a cancelled attempt');
  if (calls.length < attempts.length - killed.size || calls.length > attempts.length)
    report(`has ${attempts.length} attempts on record`);
  for (const image of images) {
    const count = image.attempts.filter(({ outcome }) => outcome === 'unknown').length;
    if (count > ALLOWED_UNKNOWNS * (1 + retries)) report(`${count} calls of unknown outcome, after ${retries} retries`);
  }
}

/** An image ends with one picture, or without one since its calls of unknown outcome are spent. */
function auditEnd({ killsThreads, isCluster }: Audited, image: Image, report: Report): void {
  const pictures = image.attempts.filter(({ outcome }) => outcome === 'ok').length;
  const isKept = isCluster && image.original?.sound === true;
  const isFailureSound = isSpent(image, ALLOWED_UNKNOWNS) || isKept || (killsThreads && isKeptUnfinished(image));
  const expected = 1 + (isCluster ? overtakenCalls([image]) : 0);
  const isSound = image.status === 'succeeded' ? pictures === expected : image.status === 'failed' && isFailureSound;
  if (!isSound) report(`ended as ${image.status}: ${image.error?.detail}`);
}

/**
 * The books hold at least what the model API may have billed, nothing beyond that but calls that were lost before they left, and no
 * more than the budget; once all work has ended, nothing is reserved.
 */
export async function auditBooks(
  round: Audited,
  { url }: { readonly url: string },
  budgetUsd: number,
): Promise<readonly string[]> {
  const response = await fetch(`${url}/usage`);
  const { days, budget } = (await response.json()) as {
    readonly days: readonly { readonly usd: number | null }[];
    readonly budget: { readonly reserved: number };
  };
  const booked = Math.round(days.reduce((sum, { usd }) => sum + (usd ?? Number.NaN), 0) / PRICE_USD);
  const paid = round.upstream.calls.filter(isPaid).length;
  const lost = [...round.lost.values()].reduce((sum, ids) => sum + ids.size, 0);
  const deleted = round.clientRequests.filter(({ deletion }) => deletion !== null).length;
  const most = !round.knowsLosses ? budgetUsd / PRICE_USD : Math.min(budgetUsd / PRICE_USD, paid + lost + deleted);
  const findings: string[] = [];
  if (!(booked >= paid && booked <= most))
    findings.push(`${booked} pictures are on the books; ${paid} were paid, ${lost} calls were lost in flight`);
  if (budget.reserved !== 0) findings.push(`${budget.reserved} USD are reserved although no work is left`);
  return findings;
}

/** Ids of attempts whose call may have ended with its thread or process: those of unknown outcome that got no answer. */
function unanswered(images: readonly Image[]): readonly string[] {
  const attempts = images.flatMap((image) => image.attempts);
  return attempts
    .filter(({ outcome, providerRequestId }) => outcome === 'unknown' && providerRequestId === null)
    .map(({ id }) => id);
}

/** How many calls brought a picture although the next call for it had begun before they ended. */
function overtakenCalls(images: readonly Image[]): number {
  return images
    .flatMap(({ attempts }) => attempts.map((attempt, index) => ({ attempt, next: attempts[index + 1] })))
    .filter(({ attempt: { outcome, startedAt, durationMs }, next }) => {
      const ended = Date.parse(startedAt) + (durationMs ?? 0);
      return outcome === 'ok' && next !== undefined && Date.parse(next.startedAt) < ended;
    }).length;
}

/** The images that were made for this prompt. */
export function findImages(images: readonly Image[], prompt: string): readonly Image[] {
  return images.filter(({ request }) => request.prompt === prompt);
}
