import { describe, expect, it } from 'vitest';
import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import { changeOf } from '../../../src/core/domain/image-change.ts';
import { exampleImage } from '../../support/app/fake-images.ts';

const succeeded = exampleImage({ mediaId: 'a', owner: 'blog' });
const running: Image = { ...succeeded, status: 'generating', completedAt: null };
const [attempt] = succeeded.attempts as [Attempt];
const kindOf = (before: Image | null, after: Image | null) => changeOf(before, after)?.kind ?? null;

describe('a change', () => {
  it('names the image, whose it is, and how it is now', () => {
    expect(changeOf(null, running)).toEqual({ kind: 'created', mediaId: 'a', owner: 'blog', image: running });
    expect(changeOf(running, null)).toEqual({ kind: 'deleted', mediaId: 'a', owner: 'blog', image: null });
    expect(changeOf(null, null)).toBeNull();
  });

  it.each<[string, Image, Image, string | null]>([
    ['another status', { ...running, status: 'queued' }, running, 'status'],
    ['another attempt', { ...running, attempts: [] }, running, 'status'],
    ['an attempt that was closed', { ...running, attempts: [{ ...attempt, durationMs: null }] }, running, 'status'],
    ['another provider', running, { ...running, provider: 'backup' }, 'status'],
    ['a new run', { ...succeeded, status: 'failed' }, { ...running, run: 2 }, 'status'],
    ['a repair', succeeded, { ...succeeded, status: 'processing' }, 'status'],
    ['labels while it runs', running, { ...running, request: { ...running.request, labels: ['x'] } }, 'changed'],
    ['the end', running, succeeded, 'done'],
    ['a cancellation', running, { ...running, status: 'cancelled' }, 'done'],
    ['the end of a later run', { ...succeeded, status: 'failed' }, { ...succeeded, run: 2 }, 'done'],
    ['a rendition after the end', { ...succeeded, renditions: [] }, succeeded, 'changed'],
    ['an attempt that ends late', { ...succeeded, attempts: [] }, succeeded, 'changed'],
    ['a field that is new', succeeded, { ...succeeded, pinned: true } as Image, 'changed'],
    ['nothing', succeeded, { ...succeeded }, null],
    ['equal values', succeeded, { ...succeeded, warnings: [...succeeded.warnings] }, null],
    ['a claim', running, { ...running, claim: 7 }, null],
    ['a key', running, { ...running, idempotencyKey: 'k' }, null],
  ])('of %s', (_, before, after, kind) => expect(kindOf(before, after)).toBe(kind));
});
