import { pino } from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import type { ProviderFault } from '../../../src/core/domain/errors.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import { createUpstreams } from '../../../src/core/upstream/upstreams.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { createManualClock, type ManualClock } from '../../support/test-clock.ts';

let clock: ManualClock;
let lines: Record<string, unknown>[];

beforeEach(() => {
  clock = createManualClock();
  lines = [];
});

function breakers(...names: readonly string[]) {
  const unused = () => Promise.reject(new Error('is not called'));
  const upstreams = createUpstreams(
    names.map((name) => ({
      provider: {
        name,
        supportsSize: true,
        controlSequences: [],
        digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
        model: (id) => CATALOG.get(id) ?? null,
        generate: unused,
        download: unused,
      },
      limits: { concurrency: null, perMinute: null },
    })),
    clock,
    pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  );
  const request = { ...exampleImage().request, model: 'gpt-image-2', provider: null };
  const [first, second] = upstreams.candidates(request).map(({ upstream }) => upstream.breaker);
  const fail = (breaker = first, fault: ProviderFault = 'overloaded', jobs = 5) => {
    for (let job = 0; job < jobs; job++) breaker?.jobEnded('call', fault, 'the server had an error');
  };
  return { first, second, fail };
}

describe('the log of a circuit breaker', () => {
  test('has one error for an outage of the only provider, and one line for its end', () => {
    const { first, fail } = breakers('openai');
    fail(first, 'overloaded', 4);
    expect(lines).toEqual([]);
    fail(first, 'overloaded', 1000);
    const opened = { provider: 'openai', fault: 'overloaded', reason: 'the server had an error' };
    expect(lines).toMatchObject([{ level: 50, ...opened, since: '2026-11-23T16:00:00.000Z' }]);
    clock.move(90_000);
    first?.jobEnded('probe', 'made');
    first?.jobEnded('call', 'made');
    expect(lines.slice(1)).toMatchObject([
      {
        level: 30,
        provider: 'openai',
        since: '2026-11-23T16:00:00.000Z',
        seconds: 90,
        msg: 'the provider works again',
      },
    ]);
  });

  test('warns where another provider makes the pictures, and has an error once none does', () => {
    const { first, second, fail } = breakers('openai', 'azure');
    fail(first);
    fail(second);
    expect(lines).toMatchObject([
      { level: 40, provider: 'openai' },
      { level: 50, provider: 'azure' },
    ]);
  });

  test('has an error for a refused account, also where the provider was down for another reason', () => {
    const { first, fail } = breakers('openai', 'azure');
    fail(first, 'account', 3);
    expect(lines).toMatchObject([{ level: 50, fault: 'account' }]);
    first?.jobEnded('probe', 'made');
    fail(first, 'timeout');
    fail(first, 'account', 3);
    expect(lines.slice(2)).toMatchObject([
      { level: 40, fault: 'timeout' },
      { level: 50, fault: 'account' },
    ]);
  });
});
