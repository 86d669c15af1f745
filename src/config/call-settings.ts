/** The settings of calls to providers: how long, how often, how many at once, for how much money. */

import { z } from 'zod';
import type { Budget } from '../core/domain/money.ts';
import { count, type SettingsOf, seconds } from './setting-types.ts';

/** `50,blog:10`: a sum for all, and sums for keys by name. */
const budget = z
  .string()
  .regex(
    /^(?:[^,:\s]+:)?\d+(?:\.\d{1,6})?(?:,(?:[^,:\s]+:)?\d+(?:\.\d{1,6})?)*$/,
    'must be US dollars, for all or for a key by name, commas between, such as 50 or 50,blog:10',
  )
  .transform((text, context): Budget => {
    const limits = text.split(',').map((part) => part.split(':').reverse());
    const sums = new Map(limits.map(([usd, key = null]) => [key, Number(usd)]));
    if (sums.size < limits.length) {
      context.addIssue({ code: 'custom', message: 'names the same key, or the sum for all, more than once' });
    }
    const usdPerDay = sums.get(null) ?? null;
    return {
      usdPerDay,
      usdPerDayOfKey: new Map([...sums].flatMap(([key, usd]) => (key === null ? [] : [[key, usd]]))),
    };
  });

const NO_BUDGET: Budget = { usdPerDay: null, usdPerDayOfKey: new Map() };

export const callSettings = {
  GENERATION_TIMEOUT_SECONDS: seconds(1).default(300).describe('For one call to a provider.'),
  RETRY_MAX_ATTEMPTS: count(1, 20).default(4).describe('Calls to one provider for one picture, the first included.'),
  RETRY_DEADLINE_SECONDS: seconds(0).default(600).describe('No call begins later than this after the first.'),
  AMBIGUOUS_RETRIES: count(0, 10)
    .default(1)
    .describe('Calls that may follow one whose outcome is unknown; each may have been billed.'),
  CONCURRENCY: count(1, 256).default(4).describe('Pictures made at the same time.'),
  QUEUE_LIMIT: count(1, 1_000_000)
    .default(1000)
    .describe('Pictures that may wait; more are refused with 429 `queue_full`.'),
  SYNC_WAIT_SECONDS: seconds(0, 3600)
    .default(120)
    .describe('How long `POST /images` waits for the picture before it answers 202.'),
  BUDGET_USD_PER_DAY: budget
    .optional()
    .describe(
      'Most US dollars that a day (UTC) may cost, in all and for API keys by name, such as `50` or `50,blog:10`; more is refused with 429 `budget_exhausted`.',
    ),
} as const;

export interface CallConfig {
  /** Longest that one call to a provider may take, in milliseconds. */
  readonly callTimeoutMs: number;
  /** The core's policy for retries of one picture at one provider. */
  readonly retry: {
    /** Calls in all, the first one included. */
    readonly maxAttempts: number;
    /** No call begins later than this after the first one, in milliseconds. */
    readonly deadlineMs: number;
    /** Calls that may follow one whose outcome is unknown. */
    readonly ambiguousRetries: number;
  };
  readonly queue: {
    /** Jobs that run at the same time. */
    readonly concurrency: number;
    /** Jobs that may wait. */
    readonly limit: number;
  };
  /** Without limits where none are set. */
  readonly budget: Budget;
}

export function callConfig(settings: SettingsOf<typeof callSettings>): CallConfig {
  return {
    callTimeoutMs: settings.GENERATION_TIMEOUT_SECONDS * 1000,
    retry: {
      maxAttempts: settings.RETRY_MAX_ATTEMPTS,
      deadlineMs: settings.RETRY_DEADLINE_SECONDS * 1000,
      ambiguousRetries: settings.AMBIGUOUS_RETRIES,
    },
    queue: { concurrency: settings.CONCURRENCY, limit: settings.QUEUE_LIMIT },
    budget: settings.BUDGET_USD_PER_DAY ?? NO_BUDGET,
  };
}
