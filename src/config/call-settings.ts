/** Settings of jobs: calls to providers and their retries, the queue, the wait of `POST /images`, the daily budget. */

import { z } from 'zod';
import type { Budget } from '../core/domain/money.ts';
import { count, type SettingsOf, seconds } from './setting-types.ts';

/** `50,blog:10`: US dollars a day in all, and for API keys by name. */
const budget = z
  .string()
  .regex(
    /^(?:[^,:\s]+:)?\d{1,9}(?:\.\d{1,6})?(?:,(?:[^,:\s]+:)?\d{1,9}(?:\.\d{1,6})?)*$/,
    'must be US dollars below 1000000000, for all or for a key by name, commas between, such as 50 or 50,blog:10',
  )
  .transform((text, context): Budget => {
    const parts = text.split(',').map((part) => part.split(':').reverse());
    const limits = new Map(parts.map(([usd, key = null]) => [key, Number(usd)]));
    if (limits.size < parts.length) {
      context.addIssue({ code: 'custom', message: 'names the same key, or the sum for all, more than once' });
    }
    const usdPerDay = limits.get(null) ?? null;
    return {
      usdPerDay,
      usdPerDayOfKey: new Map([...limits].flatMap(([key, usd]) => (key === null ? [] : [[key, usd]]))),
    };
  });

const NO_BUDGET: Budget = { usdPerDay: null, usdPerDayOfKey: new Map() };

export const callSettings = {
  GENERATION_TIMEOUT_SECONDS: seconds(1).default(300).describe('Timeout of one call to a provider.'),
  RETRY_MAX_ATTEMPTS: count(1, 20)
    .default(4)
    .describe('Calls to one provider for one picture, the first included; anew after an outage that was waited out.'),
  RETRY_DEADLINE_SECONDS: seconds(0)
    .default(600)
    .describe(
      'No call begins later than this after the first; an accepted picture waits as long for a provider that is down.',
    ),
  RETRY_BUDGET_PER_MINUTE: count(1, 1_000_000)
    .default(10)
    .describe(
      'Retries of all pictures together in any minute, or a fifth of the first calls where that is more; others wait.',
    ),
  AMBIGUOUS_RETRIES: count(0, 10)
    .default(1)
    .describe('Calls that may follow one whose outcome is unknown; each may have been billed.'),
  CONCURRENCY: count(1, 256).default(4).describe('Pictures made at the same time.'),
  QUEUE_LIMIT: count(1, 1_000_000)
    .default(1000)
    .describe('Pictures that may wait; more are refused with 429 `queue_full`.'),
  // Settings of the HTTP server, here for their place on the settings page.
  SYNC_WAIT_SECONDS: seconds(0, 3600)
    .default(120)
    .describe('How long `POST /images` waits for the picture before it answers 202.'),
  OPENAI_WAIT_SECONDS: seconds(1, 3600)
    .default(55)
    .describe(
      'How long a call of the OpenAI dialect waits for its pictures before its client is asked to send it again, if that can be ' +
        'recognised then. Less than what proxies on the way allow, which is 60 to 100 seconds.',
    ),
  MCP_WAIT_SECONDS: seconds(0, 3600)
    .default(50)
    .describe(
      'How long a tool call of an agent waits for its picture before it answers how far it is. Less than what clients wait, many of ' +
        'which give up after 60 seconds.',
    ),
} as const;

export const moneySettings = {
  BUDGET_USD_PER_DAY: budget
    .optional()
    .describe(
      'Most US dollars that a day (UTC) may cost, in all and for API keys by name, such as `50` or ' +
        '`50,blog:10`; more is refused with 429 `budget_exhausted`.',
    ),
} as const;

export interface CallConfig {
  /** Timeout of one call to a provider, in milliseconds. */
  readonly callTimeoutMs: number;
  /** Limits on the calls for one picture. */
  readonly retry: {
    /** Calls to one provider, the first one included. */
    readonly maxAttempts: number;
    /** No call to any provider begins later than this after the first one began, or would have begun if one had worked; milliseconds. */
    readonly deadlineMs: number;
    /** Retries of all jobs together in any minute, or a fifth of the first calls where that is more. */
    readonly retriesPerMinute: number;
    /** Calls, to all providers together, that may follow one whose outcome is unknown. */
    readonly ambiguousRetries: number;
  };
  readonly queue: {
    /** Jobs that run at the same time. */
    readonly concurrency: number;
    /** Jobs that may wait. */
    readonly limit: number;
  };
  /** Daily spending limits; none by default. */
  readonly budget: Budget;
}

export function callConfig(settings: SettingsOf<typeof callSettings & typeof moneySettings>): CallConfig {
  return {
    callTimeoutMs: settings.GENERATION_TIMEOUT_SECONDS * 1000,
    retry: {
      maxAttempts: settings.RETRY_MAX_ATTEMPTS,
      deadlineMs: settings.RETRY_DEADLINE_SECONDS * 1000,
      retriesPerMinute: settings.RETRY_BUDGET_PER_MINUTE,
      ambiguousRetries: settings.AMBIGUOUS_RETRIES,
    },
    queue: { concurrency: settings.CONCURRENCY, limit: settings.QUEUE_LIMIT },
    budget: settings.BUDGET_USD_PER_DAY ?? NO_BUDGET,
  };
}
