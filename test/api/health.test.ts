import { expect, test } from 'vitest';
import { healthReport, toHealthReport } from '../../src/api/health.ts';

test('a health report has times in ISO 8601, whole seconds and the version', () => {
  const ok = { status: 'ok', since: Date.UTC(2026, 10, 23, 16) } as const;
  const state = {
    status: 'degraded',
    checks: { storage: ok, database: ok, queue: ok, providers: { ...ok, status: 'degraded', detail: 'openai: open' } },
    uptimeMs: 5_999,
  } as const;
  const check = { status: 'ok', since: '2026-11-23T16:00:00.000Z' };
  const report = toHealthReport(state, '1.2.3');
  expect(report).toEqual({
    status: 'degraded',
    checks: {
      storage: check,
      database: check,
      queue: check,
      providers: { ...check, status: 'degraded', detail: 'openai: open' },
    },
    version: '1.2.3',
    uptimeSeconds: 5,
  });
  expect(healthReport.parse(report)).toEqual(report);
  expect(toHealthReport({ ...state, detail: 'the service is stopping' }, '1').detail).toBe('the service is stopping');
});
