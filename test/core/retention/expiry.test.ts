import { expect, it } from 'vitest';
import { expiryOf } from '../../../src/core/retention/expiry.ts';
import { exampleImage } from '../../support/app/fake-images.ts';

const { request } = exampleImage();
const REQUESTED_AT = Date.UTC(2026, 10, 23, 16);
const HOUR_MS = 3_600_000;
const BY_LABEL = new Map([
  ['draft', HOUR_MS],
  ['press', 24 * HOUR_MS],
]);

it.each([
  ['its ttl', 60, [], '2026-11-23T16:01:00.000Z'],
  ['its ttl, whatever its labels say', 60, ['press'], '2026-11-23T16:01:00.000Z'],
  ['the longest retention of its labels', null, ['draft', 'press', 'other'], '2026-11-24T16:00:00.000Z'],
  ['nothing of its own', null, ['other'], null],
  ['nothing where a label pins it, whatever else is said', 60, ['draft', 'pinned'], null],
  ['nothing where it is pinned, whatever else is said', 60, ['draft'], null, true],
])('an image expires by %s', (_what, ttlSeconds, labels, expected, pinned = false) => {
  expect(expiryOf({ request: { ...request, ttlSeconds, labels }, pinned }, REQUESTED_AT, BY_LABEL)).toBe(expected);
});
