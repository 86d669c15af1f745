/** The report of spending and the budget. */

import { z } from 'zod';
import type { UsageReport } from '../core/money/usage.ts';
import { timestamp, wholeNumber } from './fields.ts';

/** Query of `GET /usage`. */
export const usageQuery = z.strictObject({
  days: wholeNumber(1, 366).default(30).meta({ description: 'How many, today included.' }),
});

const usd = z.number().nullable();

/** Answer of `GET /usage`. */
export const usageReport = z
  .strictObject({
    days: z
      .array(
        z.strictObject({
          day: z.string().meta({ format: 'date', description: 'UTC, when the calls began.' }),
          model: z.string(),
          key: z.string().meta({ description: 'Name of the API key; `anonymous` without keys.' }),
          images: z.int().meta({ description: 'Pictures that came.' }),
          usd: usd.meta({ description: 'US dollars; null where the cost of a call is unknown.' }),
        }),
      )
      .meta({ description: 'Newest first.' }),
    budget: z
      .strictObject({
        usdPerDay: usd.meta({ description: '`BUDGET_USD_PER_DAY`; null for none.' }),
        spent: usd.meta({ description: 'Today, UTC; null where the cost of a call is unknown.' }),
        reserved: z.number().meta({ description: 'Held back for pictures that are accepted and not yet made.' }),
        resetsAt: timestamp('When the day ends.'),
      })
      .meta({ description: "Of the caller's name; of the whole service for a key with `read-all` or `admin`." }),
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
