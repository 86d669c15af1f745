import { describe, expect, it } from 'vitest';
import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import type { Call } from '../../support/openai/call.ts';
import { REFUSED } from '../answers.ts';
import { auditPayments, type Payments } from './payments.ts';

const BEGAN = Date.parse('2026-11-27T10:00:00Z');
const OUTAGE = { from: BEGAN, to: BEGAN + 60_000 };
const PRICE = 10_000;

function attempt(number: number, change: Partial<Attempt> = {}): Attempt {
  const outcome = change.outcome ?? 'ok';
  return {
    id: `attempt-${number}`,
    model: 'small',
    startedAt: new Date(BEGAN + number * 1000).toISOString(),
    durationMs: 500,
    outcome,
    providerRequestId: `call-${number}`,
    cost: { usd: outcome === 'failed' ? 0 : 0.01, basis: 'estimate' },
    announced: null,
    ...change,
  } as unknown as Attempt;
}

function call(number: number, behaviour = 'picture'): Call {
  const receivedAt = BEGAN + number * 1000 + 50;
  return { number, requestId: `call-${number}`, behaviour, receivedAt, body: { prompt: 'a' } } as unknown as Call;
}

function image(...attempts: Attempt[]): Image {
  return { mediaId: 'one', owner: 'key', request: { prompt: 'a' }, attempts } as unknown as Image;
}

function audit(attempts: readonly Attempt[], calls: readonly Call[], change: Partial<Payments> = {}) {
  const images = attempts.filter(({ outcome }) => outcome === 'ok').length;
  const microUsd = attempts.filter(({ outcome }) => outcome !== 'failed').length * PRICE;
  const spending = [{ day: '2026-11-27', owner: 'key', model: 'small', images, microUsd }];
  return auditPayments({ images: [image(...attempts)], deleted: [], calls, spending, outages: [OUTAGE], ...change });
}

const SILENT = { outcome: 'unknown', providerRequestId: null, durationMs: null } as const;

describe('the audit of payments', () => {
  it('finds nothing where each call is explained: answered, without an answer in an outage, never sent, adopted, overtaken', () => {
    expect(audit([attempt(1)], [call(1)])).toEqual([]);
    expect(audit([attempt(1, { outcome: 'failed' }), attempt(2)], [call(1, REFUSED), call(2)])).toEqual([]);
    expect(audit([attempt(1, SILENT), attempt(2)], [call(1), call(2)])).toEqual([]);
    expect(audit([attempt(1, SILENT), attempt(2)], [call(2)])).toEqual([]);
    expect(audit([attempt(1, { ...SILENT, outcome: 'ok' })], [call(1)])).toEqual([]);
    expect(audit([attempt(1, { durationMs: 9_000 }), attempt(2)], [call(1), call(2)])).toEqual([]);
  });

  it.each([
    ['a call that no attempt has', audit([attempt(1)], [call(1), call(2)]), 'is that of no attempt'],
    ['a call after the picture', audit([attempt(1), attempt(2)], [call(1), call(2)]), 'had brought its picture'],
    ['a call before its attempt', audit([attempt(2, SILENT)], [call(1)]), 'is that of no attempt'],
    ['a picture from nowhere', audit([attempt(1, { ...SILENT, outcome: 'ok' })], []), 'that no call brought'],
    ['a refusal that is paid', audit([attempt(1)], [call(1, REFUSED)]), 'was answered by server_error'],
    ['no reason for the silence', audit([attempt(1, SILENT)], [call(1)], { outages: [] }), 'nothing had failed'],
    ['a ledger without it', audit([attempt(1)], [call(1)], { spending: [] }), 'the ledger has nothing'],
    [
      'a reservation that is left',
      audit([], [], { spending: [{ day: '', owner: 'key', model: 'small', images: 0, microUsd: PRICE }] }),
      'the ledger has 0 pictures, 10000',
    ],
  ])('finds %s', (_what, findings, expected) => {
    expect(findings.join('\n')).toContain(expected);
  });
});
