/**
 * Checks what a round has paid: each call that the stand-in has logged against the attempts on record, by their ids, and the ledger
 * against both.
 */

import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import { microdollars } from '../../../src/core/domain/money.ts';
import type { Call } from '../../support/openai/call.ts';
import { AMBIGUOUS, REFUSED } from '../answers.ts';
import { PRICE_USD } from '../audit-requests.ts';
import type { SpendingRow } from './database.ts';

/** Milliseconds since 1970 between which processes, their database or the network to it failed. */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

export interface Payments {
  readonly calls: readonly Call[];
  /** Every image that was ever on record, as it is or as it was when it was deleted. */
  readonly images: readonly Image[];
  readonly deleted: readonly Image[];
  readonly spending: readonly SpendingRow[];
  readonly outages: readonly Outage[];
}

/** Clocks of two processes of one machine may read so many milliseconds apart. */
const CLOCK_MS = 100;
const PRICE = microdollars(PRICE_USD);

interface Made {
  readonly image: Image;
  readonly attempt: Attempt;
  /** When the next call for the image was written down; infinite for the last. */
  readonly nextAt: number;
  readonly isDeleted: boolean;
}

/** What is wrong with the calls, their attempts and the books. */
export function auditPayments({ calls, images, deleted, spending, outages }: Payments): readonly string[] {
  const findings: string[] = [];
  const made = [...images, ...deleted].flatMap((image) => madeOf(image, deleted.includes(image)));
  const silent = made.filter(({ attempt }) => attempt.providerRequestId === null && attempt.outcome !== 'failed');
  const left = auditAnswered(calls, made, findings);
  const unmatched = matchSilent(left, silent, findings);
  for (const call of unmatched) findings.push(`call ${describe(call)} is that of no attempt on record`);
  for (const { image, attempt } of made) {
    const expected = attempt.outcome === 'failed' ? 0 : PRICE;
    const cost = microdollars(attempt.cost.usd ?? Number.NaN);
    if (cost !== expected) findings.push(`attempt ${attempt.id} of ${image.mediaId} costs ${cost}, not ${expected}`);
  }
  for (const one of silent)
    if (!isExplained(one, outages))
      findings.push(
        `attempt ${one.attempt.id} of ${one.image.mediaId} has no answer, and nothing had failed meanwhile`,
      );
  for (const image of [...images, ...deleted]) findings.push(...auditOrder(image));
  return [...findings, ...auditLedger(made, spending), ...auditSum(calls, left, silent, spending)];
}

function madeOf(image: Image, isDeleted: boolean): readonly Made[] {
  return image.attempts.map((attempt, index) => {
    const next = image.attempts[index + 1];
    return { image, attempt, nextAt: next ? Date.parse(next.startedAt) : Number.POSITIVE_INFINITY, isDeleted };
  });
}

/** Checks the attempts that bear the id of an answer; returns the calls whose id no attempt bears. */
function auditAnswered(calls: readonly Call[], made: readonly Made[], findings: string[]): readonly Call[] {
  const byId = new Map(calls.map((call) => [call.requestId, call]));
  const seen = new Set<string>();
  for (const { image, attempt, isDeleted } of made) {
    const { providerRequestId: id, outcome, durationMs } = attempt;
    if (id === null) continue;
    const call = byId.get(id);
    const about = `attempt ${attempt.id} of ${image.mediaId}, ${outcome}`;
    if (call?.body.prompt !== image.request.prompt) findings.push(`${about}, names a call of another prompt: ${id}`);
    if (seen.has(id)) findings.push(`${about}, names a call that another attempt has: ${id}`);
    seen.add(id);
    // One that was deleted while its picture was being fetched has the answer's id, and no end.
    const isCut = isDeleted && outcome === 'unknown' && durationMs === null;
    if (call && outcome !== outcomeOf(call) && !isCut) findings.push(`${about}, was answered by ${call.behaviour}`);
  }
  return calls.filter(({ requestId }) => !seen.has(requestId));
}

function outcomeOf({ behaviour }: Call): Attempt['outcome'] {
  if (behaviour === REFUSED) return 'failed';
  return AMBIGUOUS.has(behaviour ?? '') ? 'unknown' : 'ok';
}

/**
 * Finds an attempt of its own for each call whose answer is on none: of the same prompt, and written down before the call came. An attempt
 * that has its picture all the same has to have such a call. Returns the calls that are left.
 */
function matchSilent(calls: readonly Call[], silent: readonly Made[], findings: string[]): readonly Call[] {
  const left = [...calls].sort((one, other) => one.receivedAt - other.receivedAt);
  const startOf = ({ attempt }: Made) => Date.parse(attempt.startedAt);
  // The later an attempt was written down, the fewer calls can be its own.
  for (const { image, attempt } of silent.toSorted((one, other) => startOf(other) - startOf(one))) {
    const isPicture = attempt.outcome === 'ok';
    const index = left.findIndex(
      (call) =>
        call.body.prompt === image.request.prompt &&
        call.receivedAt >= Date.parse(attempt.startedAt) - CLOCK_MS &&
        (!isPicture || outcomeOf(call) === 'ok'),
    );
    if (index >= 0) left.splice(index, 1);
    else if (isPicture) findings.push(`attempt ${attempt.id} of ${image.mediaId} has a picture that no call brought`);
  }
  return left;
}

/** Whether something failed while the call of the attempt was out, or the image was deleted then. */
function isExplained({ attempt: { startedAt, durationMs }, nextAt, isDeleted }: Made, outages: readonly Outage[]) {
  const began = Date.parse(startedAt);
  const ended = Math.min(nextAt, durationMs === null ? Number.POSITIVE_INFINITY : began + durationMs);
  return isDeleted || outages.some(({ from, to }) => began <= to && ended >= from);
}

/** No call follows a picture of the same image, but one that had begun before the picture came. */
function auditOrder({ mediaId, attempts }: Image): readonly string[] {
  return attempts.flatMap((attempt, index) => {
    const next = attempts[index + 1];
    if (attempt.outcome !== 'ok' || next === undefined) return [];
    const isOvertaken = Date.parse(next.startedAt) < Date.parse(attempt.startedAt) + (attempt.durationMs ?? 0);
    return isOvertaken ? [] : [`${mediaId}: attempt ${next.id} follows ${attempt.id}, which had brought its picture`];
  });
}

/** The ledger has, of each day and model, what the attempts cost together, and nothing is reserved. */
function auditLedger(made: readonly Made[], spending: readonly SpendingRow[]): readonly string[] {
  const expected = new Map<string, { images: number; microUsd: number }>();
  for (const { image, attempt } of made) {
    const key = `${attempt.startedAt.slice(0, 10)} ${image.owner} ${attempt.model}`;
    const row = expected.get(key) ?? { images: 0, microUsd: 0 };
    expected.set(key, {
      images: row.images + (attempt.outcome === 'ok' ? 1 : 0),
      microUsd: row.microUsd + microdollars(attempt.cost.usd ?? Number.NaN),
    });
  }
  const findings: string[] = [];
  for (const { day, owner, model, images, microUsd } of spending) {
    const key = `${day} ${owner} ${model}`;
    const due = expected.get(key) ?? { images: 0, microUsd: 0 };
    expected.delete(key);
    if (due.images !== images || due.microUsd !== microUsd)
      findings.push(
        `the ledger has ${images} pictures, ${microUsd} of "${key}"; by the attempts ${due.images}, ${due.microUsd}`,
      );
  }
  for (const [key, { microUsd }] of expected) if (microUsd !== 0) findings.push(`the ledger has nothing of "${key}"`);
  return findings;
}

/** The books are the sum of what the stand-in has billed where the answer is on record, and of the estimate where there is none. */
function auditSum(
  calls: readonly Call[],
  unanswered: readonly Call[],
  silent: readonly Made[],
  spending: readonly SpendingRow[],
): readonly string[] {
  const billed = calls.filter((call) => !unanswered.includes(call) && outcomeOf(call) !== 'failed').length;
  const due = (billed + silent.length) * PRICE;
  const booked = spending.reduce((sum, { microUsd }) => sum + microUsd, 0);
  if (booked === due) return [];
  return [`${booked} are on the books; ${billed} calls were billed, and ${silent.length} have no answer: ${due}`];
}

function describe({ number, requestId, behaviour, ending, body, receivedAt }: Call): string {
  return `${number} ${requestId} (${body.prompt}, ${behaviour}, ${ending}, ${new Date(receivedAt).toISOString()})`;
}
