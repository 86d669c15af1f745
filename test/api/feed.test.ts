import { expect, test } from 'vitest';
import { feedEvent, toFeedEvent } from '../../src/api/feed.ts';
import type { FeedEvent } from '../../src/core/images/feed.ts';
import { exampleImage, exampleRecord } from '../support/app/fake-images.ts';

const record = await exampleRecord(exampleImage({ mediaId: 'a' }));
const { status, provider, attempts, createdAt, completedAt } = record;
const report = { mediaId: 'a', status, since: '2026-11-23T16:02:11.000Z', provider, attempts, createdAt, completedAt };
const events: readonly FeedEvent[] = [
  { type: 'created', id: 'f.1.0', data: record },
  { type: 'status', id: 'f.2.0', data: report },
  { type: 'partial', id: 'f.2.1', data: { mediaId: 'a', index: 0, base64: 'aGk=' } },
  { type: 'done', id: 'f.3.1', data: record },
  { type: 'changed', id: 'f.4.1', data: record },
  { type: 'deleted', id: 'f.5.1', data: { mediaId: 'a' } },
  { type: 'reset', id: 'f.6.1', data: { reason: 'events_missed' } },
];

test.each(events)('a $type event has the documented shape', (event) => {
  const { id, type, data } = toFeedEvent(event);
  expect({ id, type, data }).toEqual(event);
  expect(feedEvent.safeParse({ id, event: type, data }).error).toBeUndefined();
});

test('equal data stays one object, so that it is serialized once for every stream', () => {
  for (const event of events) expect(toFeedEvent(event).data).toBe(toFeedEvent({ ...event }).data);
});

test('a status event has no other fields than the documented ones', () => {
  const data = { ...report, owner: 'blog' };
  expect(toFeedEvent({ type: 'status', id: '1', data }).data).not.toHaveProperty('owner');
});
