/** The report of spending and the budget. */

import { z } from 'zod';
import { MAX_DAYS, type UsageReport } from '../core/money/usage.ts';
import { timestamp, wholeNumber } from './fields.ts';

/** A day of a query. */
const day = (description: string) =>
  z.iso
    .date({ error: 'must be a day, written YYYY-MM-DD such as 2026-11-23', abort: true })
    .refine((value) => value >= '1970-01-01', 'must not be before 1970-01-01')
    .optional()
    .meta({ description, examples: ['2026-11-23'] });

/** Query of `GET /usage`. */
export const usageQuery = z.strictObject({
  from: day(`The first day, UTC. Default: such that there are 30. At most ${MAX_DAYS} days, none to come.`),
  to: day('The last day, UTC, which is in the report too. Default: today.'),
  days: wholeNumber(1, MAX_DAYS)
    .optional()
    .meta({ description: 'In place of `from` and `to`: how many days, the last one today.' }),
});

const usd = z.number().nullable();

/** Answer of `GET /usage`. */
export const usageReport = z
  .strictObject({
    days: z
      .array(
        z.strictObject({
          day: z.string().meta({ format: 'date', description: 'UTC, when the calls began.' }),
          model: z.string().nullable().meta({ description: 'Null for a day without any calls.' }),
          key: z.string().nullable().meta({
            description: 'Name of the API key; `anonymous` without keys. Null for a day without any calls.',
          }),
          images: z.int().meta({ description: 'Pictures that came.' }),
          usd: usd.meta({ description: 'US dollars; null where the cost of a call is unknown.' }),
        }),
      )
      .meta({
        description:
          'Newest first: an entry for each model and key of a day. A day without any has one with `model` and `key` null, ' +
          '`images` and `usd` 0.',
      }),
    budget: z
      .strictObject({
        usdPerDay: usd.meta({ description: '`BUDGET_USD_PER_DAY`; null for none.' }),
        spent: usd.meta({ description: 'Today, UTC; null where the cost of a call is unknown.' }),
        reserved: z.number().meta({ description: 'Held back for pictures that are accepted and not yet made.' }),
        resetsAt: timestamp('When the day ends.'),
      })
      .meta({
        description:
          "Today's, whatever days are asked for: of the caller's name; of the whole service for a key with `read-all` or `admin`.",
      }),
  })
  .meta({ id: 'Usage' });

/** Makes the answer of a report. */
export function toUsageReport({ days, budget }: UsageReport): z.output<typeof usageReport> {
  const { usdPerDay, spent, reserved, resetsAt } = budget;
  return {
    days: days.map(({ day, model, key, images, usd }) => ({ day, model, key, images, usd })),
    budget: { usdPerDay, spent, reserved, resetsAt },
  };
}
