/** The health of the service and of its parts. */

import { z } from 'zod';
import { timestamp } from './fields.ts';

/** From best to worst: `degraded` still works, `error` does not. */
export const HEALTH_STATUSES = ['ok', 'degraded', 'error'] as const;
export type HealthStatus = (typeof HEALTH_STATUSES)[number];

/** The checked parts of the service. This is the one list: the checks, their states and the report derive from it. */
export const HEALTH_CHECKS = ['storage', 'database', 'queue', 'providers'] as const;
export type HealthCheckName = (typeof HEALTH_CHECKS)[number];

/** What a check found: a status and, where there is more to say, a detail. */
export interface CheckOutcome {
  readonly status: HealthStatus;
  readonly detail?: string;
}

const status = z.enum(HEALTH_STATUSES);

const checkReport = z
  .strictObject({
    status,
    detail: z.string().optional(),
    since: timestamp('When it took this status.'),
  })
  .meta({ id: 'HealthCheck' });

/** Answer of `GET /health` and `GET /health/ready`. */
export const healthReport = z
  .strictObject({
    status: status.meta({ description: 'The worst of the checks.' }),
    detail: z.string().optional(),
    checks: z.strictObject(forEachHealthCheck(() => checkReport)),
    version: z.string(),
    uptimeSeconds: z.number(),
  })
  .meta({ id: 'Health' });

/** Answer of `GET /health/live`. */
export const liveReport = z.strictObject({ status: z.literal('ok') });

/** What a report is made of: the outcomes, the uptime, and since when each check has had its status, in milliseconds since 1970. */
interface Findings extends CheckOutcome {
  readonly checks: Readonly<Record<HealthCheckName, CheckFindings>>;
  readonly uptimeMs: number;
}

interface CheckFindings extends CheckOutcome {
  readonly since: number;
}

/** Makes the answer; `version` is that of the service. */
export function toHealthReport(findings: Findings, version: string): z.output<typeof healthReport> {
  const { status, detail, checks, uptimeMs } = findings;
  return {
    status,
    ...(detail !== undefined && { detail }),
    checks: forEachHealthCheck((name) => toCheckReport(checks[name])),
    version,
    uptimeSeconds: Math.floor(uptimeMs / 1000),
  };
}

function toCheckReport({ status, detail, since }: CheckFindings): z.output<typeof checkReport> {
  return { status, ...(detail !== undefined && { detail }), since: new Date(since).toISOString() };
}

/** An object with a value for every check, in the order of `HEALTH_CHECKS`. */
export function forEachHealthCheck<Value>(make: (name: HealthCheckName) => Value): Record<HealthCheckName, Value> {
  return Object.fromEntries(HEALTH_CHECKS.map((name) => [name, make(name)])) as Record<HealthCheckName, Value>;
}
