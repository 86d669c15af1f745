import type { Logger } from 'pino';
import { faultFields } from '../domain/errors.ts';
import type { Cost, TokenUsage } from '../domain/money.ts';
import type { RecordStore, UsageKey } from '../ports/record-store.ts';
import { estimateCost, isPlausible, outputBound, type PricedCall, qualityOf, settleCost } from './pricing.ts';

/** What calls cost, by the catalog and by what earlier calls have taken. */
export interface Costs {
  /**
   * An upper bound of what a call will cost; `unknown` where the catalog has no price. Raises `ImageError` where the records cannot be
   * read.
   */
  estimate(call: PricedCall): Promise<Cost>;
  /**
   * What a call did cost, by the provider's token counts, else what was reserved for it. What the call took raises later estimates;
   * this never rejects, as nothing may come between a picture that was paid for and its record.
   */
  settle(call: PricedCall, usage: TokenUsage | null, reserved: Cost): Promise<Cost>;
}

/**
 * Counts above this multiple of the catalog's bound teach nothing, so that one absurd figure cannot shut a budget for good. The largest
 * error of a catalog so far was 7.8 times.
 */
const MOST_TIMES_THE_BOUND = 8;

export function createCosts({
  records,
  log,
}: {
  readonly records: Pick<RecordStore, 'noteUsage' | 'largestUsage'>;
  readonly log: Pick<Logger, 'warn'>;
}): Costs {
  async function learn(call: PricedCall, output: number): Promise<void> {
    const bound = outputBound(call);
    if (bound === null) return;
    const key = keyOf(call);
    if (output > bound)
      log.warn({ ...key, output, bound }, 'a picture took more output tokens than the catalog expects');
    if (output <= MOST_TIMES_THE_BOUND * bound) await records.noteUsage(key, Math.ceil(output));
  }

  return {
    async estimate(call) {
      const largest = outputBound(call) === null ? 0 : await records.largestUsage(keyOf(call));
      return estimateCost(call, largest);
    },

    async settle(call, usage, reserved) {
      if (usage && isPlausible(usage)) {
        await learn(call, usage.output).catch((error: unknown) => {
          log.warn(
            { model: call.model.id, ...faultFields(error) },
            'what a picture took could not be noted for later estimates',
          );
        });
      }
      return settleCost(call, usage, reserved);
    },
  };
}

function keyOf(call: PricedCall): UsageKey {
  return { model: call.model.id, quality: qualityOf(call), size: call.size };
}
