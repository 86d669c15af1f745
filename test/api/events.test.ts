import { expect, test } from 'vitest';
import { imageEvent, toImageEvent } from '../../src/api/events.ts';
import type { ImageEvent } from '../../src/core/images/follow.ts';
import { exampleImage, exampleRecord } from '../support/app/fake-images.ts';

const record = await exampleRecord(exampleImage({ mediaId: 'a' }));
const { status, statusSince: since, provider, attempts, createdAt, completedAt } = record;
const events: readonly ImageEvent[] = [
  { type: 'status', id: '1', data: { mediaId: 'a', status, since, provider, attempts, createdAt, completedAt } },
  { type: 'partial', id: '1.0', data: { mediaId: 'a', index: 0, base64: 'aGk=' } },
  { type: 'done', id: '2.done', data: record },
  { type: 'deleted', id: 'deleted', data: { mediaId: 'a' } },
];

test.each(events)('a $type event has the documented shape', (event) => {
  const { id, type, data } = toImageEvent(event);
  expect({ id, type, data }).toEqual(event);
  expect(imageEvent.safeParse({ id, event: type, data }).error).toBeUndefined();
});

test('a partial picture stays the same object, so that its frame is shared by every stream', () => {
  const event = { type: 'partial', id: '1.0', data: { mediaId: 'a', index: 0, base64: 'aGk=' } } as const;
  expect(toImageEvent(event).data).toBe(event.data);
});

test('a status event has no other fields than the documented ones', () => {
  const data = { mediaId: 'a', status, since, provider, attempts, createdAt, completedAt, owner: 'blog' };
  expect(toImageEvent({ type: 'status', id: '1', data }).data).not.toHaveProperty('owner');
});
