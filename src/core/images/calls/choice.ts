import type { FoundCall } from '../../ports/record-store.ts';
import type { OpenCalls } from './open-calls.ts';

/**
 * The call, of some that ask for the same and are in order of age, that a retry without an `Idempotency-Key` most likely belongs to;
 * undefined where there is none. The oldest that no client waits for, else the oldest. Of either kind come first those without a key,
 * which only such a retry asks for again, then those that no client has been given: two wanted pictures with the same prompt stay two.
 * What ended before `since`, the start of the process, may have been given by an earlier one. Times are in milliseconds since 1970.
 */
export function chooseCall(
  calls: readonly FoundCall[],
  openCalls: Pick<OpenCalls, 'isAwaited' | 'wasDelivered'>,
  since: number,
): FoundCall | undefined {
  const reasonsAgainst = ({ id, isKeyed, endedAt }: FoundCall): number =>
    (openCalls.isAwaited(id) ? 8 : 0) +
    (isKeyed ? 4 : 0) +
    (openCalls.wasDelivered(id) ? 2 : 0) +
    (endedAt !== null && endedAt < since ? 1 : 0);
  // The sort is stable, so that the oldest stay first.
  const [best] = calls
    .map((call) => ({ call, against: reasonsAgainst(call) }))
    .sort((one, other) => one.against - other.against);
  return best?.call;
}
