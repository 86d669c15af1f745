/** How the service stands, for those who run it. */

import { z } from 'zod';
import { PROVIDER_STATES } from '../core/domain/provider-state.ts';
import type { OperationsReport } from '../core/operations/operations.ts';
import { STAGES } from '../core/ports/telemetry.ts';
import { lastCleanup, toLastCleanup } from './cleanup.ts';
import { timestamp } from './fields.ts';

const providerState = z
  .strictObject({
    name: z.string().meta({ examples: ['openai'] }),
    model: z.string().meta({ description: 'What it makes where a request names no model.', examples: ['gpt-image-2'] }),
    state: z.enum(PROVIDER_STATES).meta({
      description:
        '`closed`: it is called. `paused`: it asked for a pause, such as with 429 and Retry-After, and calls wait. `open`: it is taken ' +
        'to be down, its circuit breaker is open. `half_open`: the same, and a probe finds out whether it works again. Of several ' +
        'replicas, the worst.',
    }),
    since: timestamp('When it entered that state; `open` counts from the beginning of the outage.'),
    until: timestamp(
      'When the pause ends, or when the next probe may begin. Left out where there is none, and where the next picture is the probe.',
    ).optional(),
    concurrency: z.int().nullable().meta({ description: '`PROVIDER_<NAME>_CONCURRENCY`; null for no limit.' }),
    perMinute: z.int().nullable().meta({ description: '`PROVIDER_<NAME>_PER_MINUTE`; null for no limit.' }),
    lastError: z
      .strictObject({
        fault: z.string().meta({ description: 'Its kind, as in logs and metrics.', examples: ['rate_limited'] }),
        detail: z.string().meta({ description: 'In words, without prompts and keys.' }),
        at: timestamp('When the call ended.'),
      })
      .optional()
      .meta({
        description:
          'The latest failed call since the start that says something about the provider; prompts and requests that it refused do not. ' +
          'It stays when the provider works again.',
      }),
  })
  .meta({ id: 'ProviderState' });

const instance = z
  .strictObject({
    id: z.string().meta({ format: 'uuid', description: 'Made anew at each start; logs and metrics name it too.' }),
    role: z.string().meta({ description: '`ROLE`.', examples: ['all'] }),
    version: z.string(),
    startedAt: timestamp('When it started.'),
    seenAt: timestamp('Its latest heartbeat; one comes every 5 s.'),
  })
  .meta({ id: 'Instance', description: 'A running process.' });

/** Answer of `GET /operations`. */
export const operationsReport = z
  .strictObject({
    providers: z.array(providerState).meta({ description: 'In the order in which they are asked.' }),
    queue: z.strictObject({
      queued: z.int().meta({ description: 'Pictures that wait.' }),
      running: z.int().meta({ description: 'Pictures that are being made or finished.' }),
      limit: z.int().meta({ description: '`QUEUE_LIMIT`.' }),
      oldestQueuedAt: timestamp('When the one was requested that waits longest; null where none waits.').nullable(),
    }),
    disk: z.strictObject({
      freeBytes: z.int().nullable().meta({ description: 'Null where pictures are in a bucket.' }),
      mediaBytes: z.int().meta({ description: 'What all files of pictures take, originals and inputs included.' }),
      maxBytes: z.int().nullable().meta({ description: '`MEDIA_MAX_BYTES`; null for none.' }),
    }),
    cleanup: z.strictObject({
      nextAt: timestamp(
        'When the next one begins by itself, with replicas within a minute of it; null where no process cleans up.',
      ).nullable(),
      last: lastCleanup.nullable().meta({ description: 'As `GET /cleanup/last`; null before the first.' }),
    }),
    stages: z
      .array(
        z.strictObject({
          stage: z.enum(STAGES),
          p50Ms: z.int().meta({ description: 'Half took no longer; within 5%.' }),
          p95Ms: z.int().meta({ description: '95% took no longer; within 5%.' }),
          count: z.int(),
        }),
      )
      .meta({
        description:
          'How long the stages of pictures took in the last 24 hours, by hours of the clock, over restarts: those that some picture had.',
      }),
    instances: z.array(instance).meta({ description: 'By their start.' }),
  })
  .meta({ id: 'Operations' });

/** Makes the answer of the report. */
export function toOperationsReport(report: OperationsReport): z.output<typeof operationsReport> {
  const { providers, queue, disk, cleanup, stages, instances } = report;
  return {
    providers: providers.map(({ name, model, state, since, until, concurrency, perMinute, lastError }) => ({
      name,
      model,
      state,
      since,
      ...(until !== null && { until }),
      concurrency,
      perMinute,
      ...(lastError !== null && {
        lastError: { fault: lastError.fault, detail: lastError.detail, at: lastError.at },
      }),
    })),
    queue: {
      queued: queue.queued,
      running: queue.running,
      limit: queue.limit,
      oldestQueuedAt: queue.oldestQueuedAt,
    },
    disk: { freeBytes: disk.freeBytes, mediaBytes: disk.mediaBytes, maxBytes: disk.maxBytes },
    cleanup: { nextAt: cleanup.nextAt, last: cleanup.last && toLastCleanup(cleanup.last) },
    stages: stages.map(({ stage, p50Ms, p95Ms, count }) => ({ stage, p50Ms, p95Ms, count })),
    instances: instances.map(({ id, role, version, startedAt, seenAt }) => ({ id, role, version, startedAt, seenAt })),
  };
}
