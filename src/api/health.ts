/** The health of the service and of its parts. */

import { z } from 'zod';
import { timestamp } from './fields.ts';

/** `degraded` still works, `error` does not. */
export type HealthStatus = 'ok' | 'degraded' | 'error';

/** The state of one part of the service. */
export interface CheckState {
  readonly status: HealthStatus;
  readonly detail?: string;
  /** When it took this status, in milliseconds since 1970. */
  readonly since: number;
}

/** The state of the whole service. */
export interface HealthState {
  readonly status: HealthStatus;
  readonly detail?: string;
  readonly checks: Readonly<Record<'storage' | 'database' | 'queue' | 'providers', CheckState>>;
  readonly uptimeMs: number;
}

const checkReport = z
  .strictObject({
    status: z.enum(['ok', 'degraded', 'error']),
    detail: z.string().optional(),
    since: timestamp('When it took this status.'),
  })
  .meta({ id: 'HealthCheck' });

/** Answer of `GET /health` and `GET /health/ready`. */
export const healthReport = z
  .strictObject({
    status: z.enum(['ok', 'degraded', 'error']).meta({ description: 'The worst of the checks.' }),
    detail: z.string().optional(),
    checks: z.strictObject({ storage: checkReport, database: checkReport, queue: checkReport, providers: checkReport }),
    version: z.string(),
    uptimeSeconds: z.number(),
  })
  .meta({ id: 'Health' });

/** Answer of `GET /health/live`. */
export const liveReport = z.strictObject({ status: z.literal('ok') });

/** Makes the answer of a health state; `version` is that of the service. */
export function toHealthReport(state: HealthState, version: string): z.output<typeof healthReport> {
  const { storage, database, queue, providers } = state.checks;
  return {
    status: state.status,
    ...(state.detail !== undefined && { detail: state.detail }),
    checks: {
      storage: toCheckReport(storage),
      database: toCheckReport(database),
      queue: toCheckReport(queue),
      providers: toCheckReport(providers),
    },
    version,
    uptimeSeconds: Math.floor(state.uptimeMs / 1000),
  };
}

function toCheckReport({ status, detail, since }: CheckState): z.output<typeof checkReport> {
  return { status, ...(detail !== undefined && { detail }), since: new Date(since).toISOString() };
}
