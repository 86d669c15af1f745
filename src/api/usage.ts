/** What goes over the wire about money: previews and the report of spending. */

import { z } from 'zod';
import type { Preview } from '../core/images/preview.ts';
import type { UsageReport } from '../core/money/usage.ts';
import { timestamp } from './fields.ts';
import { cost } from './image-record.ts';

/** Answer of `POST /images/preview`. */
export const preview = z
  .strictObject({
    prompt: z.string().meta({ description: 'The final prompt.' }),
    requestedSize: z.string().meta({ description: 'What the model is asked for.', examples: ['1792x1024'] }),
    crop: z
      .strictObject({ left: z.int(), top: z.int(), width: z.int(), height: z.int() })
      .meta({ description: 'The part of the requested size that becomes the master, in pixels.' }),
    parametersDropped: z.array(z.string()).meta({
      description: 'What the model has no parameter for; where words can say it, the prompt does.',
      examples: [['style']],
    }),
    cost: cost.meta({ description: 'Of one call.' }),
    providers: z.array(z.string()).meta({ description: 'Those that can make it, in the order they are asked.' }),
  })
  .meta({ id: 'Preview' }) satisfies z.ZodType<Preview>;

/** Query of `GET /usage`. */
export const usageQuery = z.strictObject({
  days: z.coerce.number().int().min(1).max(366).default(30).meta({ description: 'How many, today included.' }),
});

const usd = z.number().nullable();

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
      .meta({ description: "Of the caller's key; of the whole service for an admin." }),
  })
  .meta({ id: 'Usage' }) satisfies z.ZodType<UsageReport>;
