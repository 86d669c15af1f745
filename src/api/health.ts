import { z } from 'zod';
import { timestamp } from './fields.ts';

const checkReport = z
  .strictObject({
    status: z.enum(['ok', 'degraded', 'error']),
    detail: z.string().optional(),
    since: timestamp('When it took this status.'),
  })
  .meta({ id: 'HealthCheck' });

export const healthReport = z
  .strictObject({
    status: z.enum(['ok', 'degraded', 'error']).meta({ description: 'The worst of the checks.' }),
    detail: z.string().optional(),
    checks: z.strictObject({ storage: checkReport, database: checkReport, queue: checkReport, providers: checkReport }),
    version: z.string(),
    uptimeSeconds: z.number(),
  })
  .meta({ id: 'Health' });

export const liveReport = z.strictObject({ status: z.literal('ok') });
