import { describe, expect, test } from 'vitest';
import { imageRecord } from '../../../src/api/image-record.ts';
import type { ImageStatus } from '../../../src/core/domain/image.ts';
import { createToRecord, mayRunElsewhere } from '../../../src/core/domain/record.ts';
import type { ImageRequest } from '../../../src/core/domain/request.ts';
import { exampleImage, exampleRecord, RECORD_DEPS } from '../../support/app/fake-images.ts';
import { ANNOUNCED, attemptOf } from './life-cycle/example-changes.ts';

async function attemptsOf(attempts: readonly ReturnType<typeof attemptOf>[], running: readonly string[]) {
  const toRecord = createToRecord({ ...RECORD_DEPS, runningCalls: new Set(running) });
  return (await toRecord(exampleImage({ attempts }))).attempts;
}

test('the request of a record names its inputs as a request does, and has no fields for them where there are none', async () => {
  const example = exampleImage();
  const input = { sha256: 'a', bytes: 9, width: 8, height: 8, format: 'png' } as const;
  const inputs: ImageRequest['inputs'] = [
    { ...input, source: { mediaId: 'hero' } },
    { ...input, source: { url: 'https://example.com/a.png?x=1' } },
  ];
  const request = { ...example.request, inputs, mask: { ...input, source: { sha256: 'a' } } };
  const record = await exampleRecord({ ...example, request });
  expect(record.request).toMatchObject({
    inputs: [{ mediaId: 'hero' }, { url: 'https://example.com/a.png?x=1' }],
    mask: { sha256: 'a' },
  });
  expect(imageRecord.parse(record)).toEqual(record);
  expect(Object.keys((await exampleRecord(example)).request)).not.toContain('inputs');
});

describe('the attempts of a record', () => {
  test('are running while their call runs in this process, and unknown where an earlier one began it', async () => {
    const open = attemptOf('a', 1);
    expect(await attemptsOf([open], ['a'])).toMatchObject([{ outcome: 'running', durationMs: null }]);
    expect(await attemptsOf([open], ['b'])).toMatchObject([{ outcome: 'unknown', durationMs: null }]);
    const both = await attemptsOf([open, attemptOf('b', 1)], ['b']);
    expect(both.map(({ outcome }) => outcome)).toEqual(['unknown', 'running']);
  });

  test.each<[ImageStatus, string]>([
    ['generating', 'running'],
    ['processing', 'unknown'],
    ['failed', 'unknown'],
  ])('of an image that is %s at another process, the newest is %s while it is open', async (status, outcome) => {
    const toRecord = createToRecord({ ...RECORD_DEPS, isRunningElsewhere: mayRunElsewhere });
    const attempts = [attemptOf('a', 1), attemptOf('b', 1)];
    const record = await toRecord(exampleImage({ status, attempts }));
    expect(record.attempts.map((attempt) => attempt.outcome)).toEqual(['unknown', outcome]);
  });

  test.each(['ok', 'failed', 'unknown', 'cancelled'] as const)(
    'are %s once that is on record, though their call may still be tidying up',
    async (outcome) => {
      expect(await attemptsOf([attemptOf('a', 1, { outcome, durationMs: 5 })], ['a'])).toMatchObject([{ outcome }]);
      if (outcome === 'unknown') return;
      expect(await attemptsOf([attemptOf('a', 1, { outcome })], ['a'])).toMatchObject([{ outcome }]);
    },
  );

  test('have these fields and no others: the URL of an announced picture may be signed', async () => {
    const record = await exampleRecord(exampleImage({ attempts: [attemptOf('a', 1, { announced: ANNOUNCED })] }));
    expect(record.attempts.map((attempt) => Object.keys(attempt))).toEqual([
      ['provider', 'startedAt', 'durationMs', 'outcome', 'httpStatus', 'providerRequestId'],
    ]);
    expect(JSON.stringify(record)).not.toMatch(/files\.example|sig=|announced/);
  });
});
