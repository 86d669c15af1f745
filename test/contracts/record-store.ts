import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bookings } from '../../src/images/charges.ts';
import { ImageError } from '../../src/images/errors.ts';
import {
  type Attempt,
  type Cost,
  type Image,
  type ImageRequest,
  type MediaFile,
  PINNED,
} from '../../src/images/image.ts';
import type {
  Acceptance,
  ListQuery,
  Place,
  RecordStore,
  RetentionQuery,
  Spending,
  SpendingGuard,
} from '../../src/images/ports.ts';
import { cancelled, closed, keptAfterCancel, opened, received, rerun } from '../../src/images/transitions.ts';

export interface RecordStoreFixture {
  /** Opens the same records; called again after `close`, it stands for a restart. */
  open(): Promise<RecordStore>;
  /** Takes everything away. */
  dispose(): Promise<void>;
}

/** What every record store promises; each adapter runs it with a fixture that starts empty. */
export function describeRecordStore(name: string, createFixture: () => Promise<RecordStoreFixture>): void {
  describe(`${name} keeps the contract of a record store`, () => {
    let fixture: RecordStoreFixture;
    let records: RecordStore;

    beforeEach(async () => {
      fixture = await createFixture();
      records = await fixture.open();
    });

    afterEach(async () => {
      await records.close();
      await fixture.dispose();
    });

    const restart = async (): Promise<void> => {
      await records.close();
      records = await fixture.open();
    };

    const store = async (...images: readonly Image[]): Promise<void> => {
      for (const image of images) expect(await records.accept(image, Infinity)).toEqual({ outcome: 'accepted' });
    };

    const finish = async (mediaId: string): Promise<void> => {
      await records.update(mediaId, (image) => ({ ...image, status: 'succeeded' }));
    };

    describe('the outbox', () => {
      const hooked = (mediaId: string, webhookUrl = 'https://example.com/hook') =>
        anImage({ mediaId, request: aRequest({ webhookUrl }) });
      const none = { ids: [], receivers: [] };

      it('gets a delivery with the write that ends an image, and with no other; it outlives a restart', async () => {
        let news = 0;
        records.outbox.onNew(() => news++);
        await store(hooked('a'), anImage({ mediaId: 'silent' }));
        await records.update('a', (image) => ({ ...image, status: 'processing' }));
        expect([await records.outbox.list('a'), news]).toEqual([[], 0]);
        await finish('a');
        await finish('silent');
        await records.update('a', (image) => ({ ...image, renditions: [] }));
        expect(news).toBe(1);

        await restart();
        const [delivery, ...more] = await records.outbox.list('a');
        expect([more, await records.outbox.list('silent')]).toEqual([[], []]);
        expect(delivery).toMatchObject({ mediaId: 'a', type: 'image.succeeded', status: 'pending', attempts: [] });
        expect(await records.outbox.next(none)).toEqual({
          delivery,
          image: await records.get('a'),
          receiver: 'example.com',
          dueAt: Date.parse(delivery?.nextAttemptAt ?? ''),
        });
      });

      it('gets nothing from a write that is undone', async () => {
        await store(hooked('a'));
        const guard: SpendingGuard = {
          day: '2026-11-23',
          check() {
            throw new ImageError('budget_exhausted', 'no more');
          },
        };
        const grown = anAttempt('t1');
        const end = (image: Image): Image => ({
          ...image,
          status: 'failed',
          attempts: [{ ...grown, outcome: 'unknown', cost: { usd: 1, basis: 'estimate' } }],
        });
        await expect(records.update('a', end, guard)).rejects.toThrow('no more');
        expect(await records.outbox.list('a')).toEqual([]);
      });

      it('gives what is due first, but for deliveries and receivers that are busy', async () => {
        await store(hooked('a'), hooked('b', 'http://other.example:81/x'), hooked('c'));
        for (const mediaId of ['a', 'b', 'c']) await finish(mediaId);
        const ids: Record<string, string> = {};
        for (const [minute, mediaId] of ['c', 'a', 'b'].entries()) {
          const [{ id } = { id: '' }] = await records.outbox.list(mediaId);
          ids[mediaId] = id;
          await records.outbox.update(id, (delivery) => ({ ...delivery, nextAttemptAt: at(minute) }));
        }
        const next = async (busy: Partial<typeof none> | { ids: string[] } | { receivers: string[] }) =>
          (await records.outbox.next({ ...none, ...busy }))?.delivery.mediaId;
        expect(await next({})).toBe('c');
        expect(await next({ ids: [ids.c ?? ''] })).toBe('a');
        expect(await next({ receivers: ['example.com'] })).toBe('b');
        expect(await next({ receivers: ['example.com', 'other.example:81'] })).toBeUndefined();
        await records.outbox.update(ids.c ?? '', (delivery) => ({
          ...delivery,
          status: 'delivered',
          nextAttemptAt: null,
        }));
        expect(await next({})).toBe('a');
      });

      it('has one delivery for each end, newest first, and none once the image is removed', async () => {
        await store(hooked('a'));
        await records.update('a', (image) => ({ ...image, status: 'failed' }));
        await records.update('a', (image) => ({ ...image, status: 'queued' }));
        await finish('a');
        const deliveries = await records.outbox.list('a');
        expect(deliveries.map(({ type }) => type)).toEqual(['image.succeeded', 'image.failed']);
        await records.remove('a');
        expect([await records.outbox.list('a'), await records.outbox.next(none)]).toEqual([[], null]);
        expect(await records.outbox.update(deliveries[0]?.id ?? '', (delivery) => delivery)).toBeNull();
      });
    });

    describe('accept and get', () => {
      it('gives an image back as it was, also after a restart', async () => {
        const image = anImage({
          mediaId: 'a.b-c_1',
          idempotencyKey: 'key',
          expiresAt: at(60),
          attempts: [anAttempt('t1')],
          master: aFile('a.b-c_1.png', 10),
          request: aRequest({ prompt: 'ein Häuschen \u{1f3e0}\u0000\ud800', labels: ['x', 'x', 'y'] }),
        });
        await store(image);
        expect(await records.get('a.b-c_1')).toEqual(image);
        await restart();
        expect(await records.get('a.b-c_1')).toEqual(image);
        expect(await records.get('a.b-c_2')).toBeNull();
      });

      it('writes nothing where the mediaId is taken', async () => {
        const first = anImage({ mediaId: 'a', prompt: 'first' });
        await store(first);
        expect(await records.accept(anImage({ mediaId: 'a', prompt: 'second' }), Infinity)).toEqual({
          outcome: 'exists',
          by: 'mediaId',
          image: first,
        });
        expect(await records.get('a')).toEqual(first);
      });

      it('keeps an idempotency key to its owner', async () => {
        const first = anImage({ mediaId: 'a', owner: 'anna', idempotencyKey: 'key' });
        await store(first);
        const again = await records.accept({ ...first, mediaId: 'b' }, Infinity);
        expect(again).toEqual({ outcome: 'exists', by: 'idempotencyKey', image: first });
        expect(await records.get('b')).toBeNull();
        await store({ ...first, mediaId: 'c', owner: 'bert' }, { ...first, mediaId: 'd', idempotencyKey: null });
        await store({ ...first, mediaId: 'e', idempotencyKey: null });
        expect(await records.findByKey('anna', 'key')).toEqual(first);
        expect((await records.findByKey('bert', 'key'))?.mediaId).toBe('c');
        expect(await records.findByKey('anna', 'another')).toBeNull();
      });

      it('refuses what is over the limit of the queue, and counts only what is queued', async () => {
        await store(anImage({ mediaId: 'a' }), anImage({ mediaId: 'b', idempotencyKey: 'key' }));
        expect(await records.accept(anImage({ mediaId: 'c' }), 2)).toEqual({ outcome: 'queue_full' });
        expect(await records.get('c')).toBeNull();
        // A repeated request is answered although the queue is full.
        expect(await records.accept(anImage({ mediaId: 'a' }), 2)).toMatchObject({ outcome: 'exists' });
        expect(await records.accept(anImage({ mediaId: 'd', idempotencyKey: 'key' }), 2)).toMatchObject({
          outcome: 'exists',
        });
        await records.update('a', (image) => ({ ...image, status: 'generating' }));
        expect(await records.accept(anImage({ mediaId: 'c' }), 2)).toEqual({ outcome: 'accepted' });
        expect(await records.accept(anImage({ mediaId: 'e' }), 2)).toEqual({ outcome: 'queue_full' });
      });

      it.each([
        ['mediaId', (index: number) => anImage({ mediaId: 'same', prompt: `${index}` })],
        ['idempotencyKey', (index: number) => anImage({ mediaId: `m${index}`, idempotencyKey: 'same' })],
      ])('accepts one of 200 that ask at once with the same %s', async (by, make) => {
        const asked = Array.from({ length: 200 }, (_, index) => records.accept(make(index), Infinity));
        const answers: readonly Acceptance[] = await Promise.all(asked);
        expect(answers.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(1);
        const others = answers.filter((answer) => answer.outcome === 'exists');
        expect(others).toHaveLength(199);
        const [winner] = (await records.list({ limit: 10, owner: null })).items;
        for (const other of others) expect(other).toEqual({ outcome: 'exists', by, image: winner });
      });

      it('never goes over the limit of the queue, however many ask at once', async () => {
        const asked = Array.from({ length: 50 }, (_, index) => records.accept(anImage({ mediaId: `m${index}` }), 7));
        const answers = await Promise.all(asked);
        expect(answers.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(7);
        expect(await records.unfinished()).toHaveLength(7);
      });
    });

    describe('acceptAgain', () => {
      const again = (image: Image): Image => ({ ...image, status: 'queued', run: image.run + 1 });

      it('never goes over the limit of the queue, however many ask at once', async () => {
        const failed = Array.from({ length: 20 }, (_, index) => anImage({ mediaId: `m${index}`, status: 'failed' }));
        await store(...failed);
        const answers = await Promise.all(failed.map(({ mediaId }) => records.acceptAgain(mediaId, 7, again)));
        expect(answers.filter((answer) => answer === 'queue_full')).toHaveLength(13);
        expect(await records.unfinished()).toHaveLength(7);
        expect((await records.countByStatus()).failed).toBe(13);
      });

      it('answers as update does where there is room, or nothing to change', async () => {
        const image = anImage({ mediaId: 'a', status: 'failed' });
        await store(image);
        expect(await records.acceptAgain('a', 0, () => null)).toEqual(image);
        expect(await records.acceptAgain('none', 0, again)).toBeNull();
        expect(await records.acceptAgain('a', 1, again)).toEqual(again(image));
        expect(await records.get('a')).toEqual(again(image));
      });
    });

    describe('update', () => {
      it('writes what the change gives, gives what is stored, and keeps it over a restart', async () => {
        await store(anImage({ mediaId: 'a' }));
        const updated = await records.update('a', (image) => ({ ...image, status: 'generating', thumbhash: 'x' }));
        expect(updated).toMatchObject({ mediaId: 'a', status: 'generating', thumbhash: 'x' });
        await restart();
        expect(await records.get('a')).toEqual(updated);
      });

      it('leaves the image where the change gives null or fails, and gives null where there is none', async () => {
        const image = anImage({ mediaId: 'a' });
        await store(image);
        expect(await records.update('a', () => null)).toEqual(image);
        const fault = new Error('changed my mind');
        const failing = records.update('a', () => {
          throw fault;
        });
        await expect(failing).rejects.toBe(fault);
        await expect(records.update('a', () => ({ ...image, mediaId: 'b' }))).rejects.toThrow(TypeError);
        expect(await records.get('a')).toEqual(image);
        expect(await records.update('none', (other) => other)).toBeNull();
      });

      it('loses none of 100 changes that are made at once', async () => {
        await store(anImage({ mediaId: 'a' }));
        const changes = Array.from({ length: 100 }, (_, index) =>
          records.update('a', (image) => ({ ...image, attempts: [...image.attempts, anAttempt(`t${index}`)] })),
        );
        await Promise.all(changes);
        const ids = (await records.get('a'))?.attempts.map(({ id }) => id);
        expect(new Set(ids).size).toBe(100);
      });

      it('moves the image in the list when what the list is ordered and filtered by changes', async () => {
        await store(anImage({ mediaId: 'a', createdAt: at(1) }), anImage({ mediaId: 'b', createdAt: at(2) }));
        const request = aRequest({ labels: ['late'] });
        await records.update('a', (image) => ({ ...image, createdAt: at(3), request, owner: 'anna' }));
        expect(await listed({ label: 'late' })).toEqual(['a']);
        expect(await listed({ owner: 'anna' })).toEqual(['a']);
        expect(await listed({})).toEqual(['a', 'b']);
      });
    });

    describe('the books', () => {
      const step = fc.record({
        id: fc.constantFrom('a', 'b', 'c'),
        owner: fc.constantFrom('anna', 'bert'),
        usd: fc.option(fc.integer({ min: 0, max: 90_000 }).map((micro) => micro / 1e6)),
        second: fc.integer({ min: 0, max: 3 * 86_400 }),
        action: fc.constantFrom('accept', 'open', 'ok', 'failed', 'unknown', 'cancel', 'rerun', 'remove', 'restart'),
      });

      const costOf = ({ usd }: StepOf<typeof step>): Cost => ({ usd, basis: usd === null ? 'unknown' : 'estimate' });

      /** What the step makes of the image, as the use cases would; the image itself where the step is not legal. */
      const next = (image: Image, taken: StepOf<typeof step>): Image => {
        const { action, second } = taken;
        const cost = costOf(taken);
        const open = image.attempts.findLast(({ durationMs }) => durationMs === null);
        const id = open?.id ?? '';
        const end = { durationMs: 1, httpStatus: null, providerRequestId: null };
        const original = { name: `originals/${id}`, bytes: 1, sha256: id, sound: false };
        const picture = { ...end, original, revisedPrompt: null, cost };
        const opening = { ...anAttempt(`t${image.attempts.length}`), run: image.run, startedAt: at(second), cost };
        switch (action) {
          case 'open':
            return opened(image, opening, image) ?? image;
          case 'ok':
            return received(image, id, picture) ?? keptAfterCancel(image, id, picture) ?? image;
          case 'failed':
          case 'unknown':
            return closed(image, id, { ...end, outcome: action }) ?? image;
          case 'cancel':
            return cancelled(image, at(second)) ?? image;
          case 'rerun':
            return rerun(image, { planned: image, estimate: cost, traceparent: null }) ?? image;
          default:
            return image;
        }
      };

      /** What lines add up to, by day, owner and model. */
      const sums = (lines: readonly Spending[]): ReadonlyMap<string, readonly number[]> => {
        const sum = new Map<string, number[]>();
        for (const { day, owner, model, images, microUsd, unpriced } of lines) {
          const key = `${day} ${owner} ${model}`;
          const [a = 0, b = 0, c = 0] = sum.get(key) ?? [];
          sum.set(key, [a + images, b + microUsd, c + unpriced]);
        }
        return new Map([...sum].filter(([, counts]) => counts.some((count) => count !== 0)).sort());
      };

      it('are at all times what all records together say, whatever happens to them and in whatever order', async () => {
        let rounds = 0;
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
            // The books are never cleared, so each round has owners of its own.
            rounds += 1;
            const own = (name: string) => `${name}-${rounds}`;
            const known = new Map<string, Image>();
            const left: Spending[] = [];
            for (const taken of steps) {
              const id = own(taken.id);
              const image = known.get(id);
              if (taken.action === 'restart') {
                await restart();
              } else if (image === undefined) {
                const made = anImage({ mediaId: id, owner: own(taken.owner), estimate: costOf(taken) });
                await store(made);
                known.set(id, made);
              } else if (taken.action === 'remove') {
                await records.remove(id);
                await records.deletionDone(id);
                known.delete(id);
                left.push(...bookings(null, { ...image, status: 'cancelled' }));
              } else {
                known.set(id, next(image, taken));
                await records.update(id, () => next(image, taken));
              }
            }
            const expected = [...left, ...[...known.values()].flatMap((image) => bookings(null, image))];
            for (const owner of ['anna', 'bert'].map(own)) {
              const lines = expected.filter((line) => line.owner === owner);
              expect(sums(await records.spending('2026-01-01', owner))).toEqual(
                sums(lines.filter(({ day }) => day !== null)),
              );
              const held = lines.filter(({ day }) => day === null).reduce((sum, { microUsd }) => sum + microUsd, 0);
              expect((await records.balance('2026-01-01', owner)).reserved).toBe(held);
            }
          }),
          { numRuns: 25 },
        );
      });

      const estimate: Cost = { usd: 0.02, basis: 'estimate' };
      const limit = (most: number): SpendingGuard => ({
        day: '2026-01-01',
        check(_owner, { service: { spent, reserved } }) {
          if (spent + reserved > most) throw new ImageError('budget_exhausted', 'no room');
        },
      });

      it('hold for as many as ask at once, and a refused write leaves neither record nor line', async () => {
        const asked = Array.from({ length: 200 }, (_, index) =>
          records.accept(anImage({ mediaId: `m${index}`, estimate }), Infinity, limit(140_000)),
        );
        const ends = await Promise.allSettled(asked);
        expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(7);
        expect(await records.unfinished()).toHaveLength(7);
        expect(await records.balance('2026-01-01', null)).toEqual({ spent: 0, reserved: 140_000 });
      });

      it('ask the guard of a change only where it spends more, and undo the change that it refuses', async () => {
        await store(anImage({ mediaId: 'a', estimate }));
        const opening = (cost: Cost) => (image: Image) =>
          opened(image, { ...anAttempt(`t${image.attempts.length}`), cost }, image);
        // The call takes the place of what the queued image held back: no room is needed that it does not have.
        await records.update('a', opening(estimate), limit(0));
        await expect(records.update('a', opening(estimate), limit(39_999))).rejects.toMatchObject({
          code: 'budget_exhausted',
        });
        expect((await records.get('a'))?.attempts).toHaveLength(1);
        expect(await records.balance('2026-01-01', null)).toEqual({ spent: 0, reserved: 20_000 });
        await records.update('a', opening(estimate), limit(40_000));
        expect(await records.balance('2026-01-01', null)).toEqual({ spent: 20_000, reserved: 20_000 });
      });

      it('free what a removed image held back, and spend what its call under way may cost', async () => {
        const open = { ...anAttempt('t'), cost: estimate };
        await store(
          anImage({ mediaId: 'waiting', estimate }),
          anImage({ mediaId: 'running', status: 'generating', attempts: [open] }),
        );
        expect(await records.balance('2026-01-01', null)).toEqual({ spent: 0, reserved: 40_000 });
        for (const id of ['waiting', 'running']) await records.remove(id);
        expect(await records.balance('2026-01-01', null)).toEqual({ spent: 20_000, reserved: 0 });
      });

      it('are read from a day on, newest first, of one owner or all', async () => {
        const spent = (id: string, owner: string, day: number) => {
          const attempt: Attempt = {
            ...anAttempt('t'),
            startedAt: at(day * 86_400),
            durationMs: 1,
            outcome: 'ok',
            cost: estimate,
          };
          return anImage({ mediaId: id, owner, status: 'succeeded', attempts: [attempt] });
        };
        await store(spent('a', 'anna', 0), spent('b', 'anna', 1), spent('c', 'bert', 1), spent('d', 'anna', 2));
        const read = async (from: string, owner: string | null) =>
          (await records.spending(from, owner)).map((line) => [line.day, line.owner, line.images, line.microUsd]);
        expect(await read('2026-01-02', null)).toEqual([
          ['2026-01-03', 'anna', 1, 20_000],
          ['2026-01-02', 'anna', 1, 20_000],
          ['2026-01-02', 'bert', 1, 20_000],
        ]);
        expect(await read('2026-01-02', 'bert')).toEqual([['2026-01-02', 'bert', 1, 20_000]]);
        expect(await records.balance('2026-01-02', null)).toEqual({ spent: 40_000, reserved: 0 });
        expect(await records.balance('2026-01-02', 'bert')).toEqual({ spent: 20_000, reserved: 0 });
      });
    });

    const listed = async (query: Partial<ListQuery>): Promise<readonly string[]> => {
      const page = await records.list({ limit: 100, owner: null, ...query });
      return page.items.map(({ mediaId }) => mediaId);
    };

    describe('list', () => {
      beforeEach(async () => {
        await store(
          anImage({ mediaId: 'one', createdAt: at(1), owner: 'anna', request: aRequest({ labels: ['red', 'blue'] }) }),
          anImage({ mediaId: 'two-b', createdAt: at(2), owner: 'bert', request: aRequest({ labels: ['red'] }) }),
          anImage({ mediaId: 'two-a', createdAt: at(2), owner: 'anna' }),
          anImage({ mediaId: 'three', createdAt: at(3), owner: 'anna', request: aRequest({ labels: ['red'] }) }),
        );
        await finish('two-a');
        await finish('three');
      });

      it.each<[string, Partial<ListQuery>, readonly string[]]>([
        ['everything, newest first, ties by mediaId', {}, ['three', 'two-b', 'two-a', 'one']],
        ['a limit', { limit: 2 }, ['three', 'two-b']],
        ['a status', { status: 'succeeded' }, ['three', 'two-a']],
        ['a status that none has', { status: 'failed' }, []],
        ['a label', { label: 'red' }, ['three', 'two-b', 'one']],
        ['a part of a label', { label: 're' }, []],
        ['an owner', { owner: 'anna' }, ['three', 'two-a', 'one']],
        ['from a time on', { createdAfter: at(2) }, ['three', 'two-b', 'two-a']],
        ['up to a time', { createdBefore: at(2) }, ['one']],
        ['a time of another zone', { createdBefore: '2026-01-01T02:00:02+02:00' }, ['one']],
        ['all at once', { owner: 'anna', label: 'red', status: 'succeeded', createdAfter: at(2) }, ['three']],
        ['label and time', { label: 'red', createdAfter: at(2), createdBefore: at(3) }, ['two-b']],
      ])('gives %s', async (_, query, expected) => {
        expect(await listed(query)).toEqual(expected);
      });

      it.each<[string, Partial<ListQuery>, readonly string[]]>([
        ['all', {}, ['three', 'two-b', 'two-a', 'one']],
        ['a label', { label: 'red' }, ['three', 'two-b', 'one']],
        ['an owner', { owner: 'anna' }, ['three', 'two-a', 'one']],
        ['a status', { status: 'succeeded' }, ['three', 'two-a']],
      ])('pages through %s, one by one, without a gap or a double', async (_, query, expected) => {
        const seen: string[] = [];
        let cursor: string | null | undefined;
        while (cursor !== null) {
          const page = await records.list({ limit: 1, owner: null, ...query, cursor });
          expect(page.items).toHaveLength(1);
          seen.push(...page.items.map(({ mediaId }) => mediaId));
          cursor = page.nextCursor;
        }
        expect(seen).toEqual(expected);
      });

      it('goes on at the same place while images come and go', async () => {
        const first = await records.list({ limit: 2, owner: null });
        await store(anImage({ mediaId: 'four', createdAt: at(4) }), anImage({ mediaId: 'two-c', createdAt: at(2) }));
        // The very image that the cursor was made from goes, and one behind it.
        await records.remove('two-b');
        await records.remove('one');
        await store(anImage({ mediaId: 'two-0', createdAt: at(2) }));
        const second = await records.list({ limit: 2, owner: null, cursor: first.nextCursor ?? '' });
        expect(second.items.map(({ mediaId }) => mediaId)).toEqual(['two-a', 'two-0']);
        expect(second.nextCursor).toBeNull();
      });

      it.each([
        ['nothing', ''],
        ['no base64url', '%%%'],
        ['no JSON', Buffer.from('hello').toString('base64url')],
        ['no pair', Buffer.from('{"createdAt":1}').toString('base64url')],
        ['a pair of other types', Buffer.from('["1","a"]').toString('base64url')],
        ['a third part', Buffer.from('[1,"a",2]').toString('base64url')],
        ['something behind it', `${Buffer.from('[1,"a"]').toString('base64url')}!`],
      ])('refuses a cursor that is %s', async (_, cursor) => {
        await expect(records.list({ limit: 1, owner: null, cursor })).rejects.toMatchObject({
          name: 'ImageError',
          code: 'invalid_request',
          paths: [{ path: 'cursor' }],
        });
      });
    });

    it('names the jobs, oldest first', async () => {
      const statuses = ['processing', 'succeeded', 'queued', 'failed', 'generating', 'cancelled'] as const;
      for (const [index, status] of statuses.entries()) {
        await store(anImage({ mediaId: status, status, createdAt: at(100 - index) }));
      }
      expect(await records.unfinished()).toEqual(['generating', 'queued', 'processing']);
      await restart();
      expect(await records.unfinished()).toEqual(['generating', 'queued', 'processing']);
    });

    it('names those with pending renditions behind the others, until there is none', async () => {
      const pending = [{ width: 1200, height: 675, format: 'avif' as const }];
      await store(anImage({ mediaId: 'avif', status: 'succeeded', pending, createdAt: at(1) }));
      await store(anImage({ mediaId: 'new', status: 'queued', createdAt: at(2) }));
      expect(await records.unfinished()).toEqual(['new', 'avif']);
      expect((await records.get('avif'))?.pending).toEqual(pending);
      expect(await records.ownedNames(['avif@1200x675.avif'])).toEqual(new Set(['avif@1200x675.avif']));
      await records.update('avif', (image) => ({ ...image, pending: [] }));
      expect(await records.unfinished()).toEqual(['new']);
      expect(await records.ownedNames(['avif@1200x675.avif'])).toEqual(new Set());
    });

    it('counts images by status, and the bytes of their files once each, through their whole life', async () => {
      const none = { queued: 0, generating: 0, processing: 0, succeeded: 0, failed: 0, cancelled: 0 };
      expect(await records.countByStatus()).toEqual(none);
      expect(await records.mediaBytes()).toBe(0);
      await store(anImage({ mediaId: 'a' }), anImage({ mediaId: 'b' }), anImage({ mediaId: 'c' }));
      await records.update('a', (image) => ({
        ...image,
        status: 'succeeded',
        original: { name: 'originals/a~t', bytes: 1000, sha256: '', sound: true },
        master: aFile('a.png', 7),
        renditions: [aFile('a@1x1.png', 20), { ...aFile('a@2x2.png', 7), sha256: 'a.png' }],
      }));
      await records.update('b', (image) => ({ ...image, status: 'failed', master: aFile('b.png', 4000) }));
      await restart();
      expect(await records.countByStatus()).toEqual({ ...none, queued: 1, succeeded: 1, failed: 1 });
      expect(await records.mediaBytes()).toBe(1000 + 7 + 20 + 4000);
      await records.update('b', (image) => ({ ...image, master: null }));
      await records.remove('a');
      await records.update('c', (image) => ({ ...image, thumbhash: 'x' }));
      expect(await records.countByStatus()).toEqual({ ...none, queued: 1, failed: 1 });
      expect(await records.mediaBytes()).toBe(0);
    });

    describe('expired', () => {
      beforeEach(async () => {
        await store(
          anImage({ mediaId: 'kept', status: 'succeeded', createdAt: at(0), expiresAt: at(1000) }),
          anImage({ mediaId: 'due-late', status: 'succeeded', createdAt: at(5), expiresAt: at(10) }),
          anImage({ mediaId: 'due-early', status: 'failed', createdAt: at(2), expiresAt: at(20) }),
          anImage({ mediaId: 'old-b', status: 'cancelled', createdAt: at(3) }),
          anImage({ mediaId: 'old-a', status: 'succeeded', createdAt: at(3) }),
          anImage({ mediaId: 'young', status: 'succeeded', createdAt: at(8) }),
          anImage({ mediaId: 'running', status: 'processing', createdAt: at(1), expiresAt: at(2) }),
          anImage({ mediaId: 'waiting', status: 'queued', createdAt: at(1) }),
        );
      });

      it.each<[string, Partial<RetentionQuery>, readonly string[]]>([
        ['nothing before its time', { now: ms(9) }, []],
        ['its own expiry, to the millisecond', { now: ms(10) }, ['due-late']],
        ['its own expiry, oldest first', { now: ms(20) }, ['due-early', 'due-late']],
        ['age, for what has no expiry of its own', { now: ms(9), createdBefore: ms(3) }, ['old-a', 'old-b']],
        ['both', { now: ms(99), createdBefore: ms(8) }, ['due-early', 'old-a', 'old-b', 'due-late', 'young']],
        ['one status', { now: ms(99), createdBefore: ms(8), status: 'succeeded' }, ['old-a', 'due-late', 'young']],
        ['no unfinished status', { now: ms(99), createdBefore: ms(8), status: 'queued' }, []],
        ['a limit', { now: ms(99), createdBefore: ms(8), limit: 2 }, ['due-early', 'old-a']],
        [
          'what comes after a place',
          { now: ms(99), createdBefore: ms(8), limit: 2, after: { createdAt: at(3), mediaId: 'old-a' } },
          ['old-b', 'due-late'],
        ],
      ])('finds by %s', async (_, query, expected) => {
        const found = await records.expired({
          now: ms(0),
          createdBefore: null,
          status: null,
          limit: 100,
          after: null,
          ...query,
        });
        expect(found.map(({ mediaId }) => mediaId)).toEqual(expected);
        for (const image of found) expect(image).toEqual(await records.get(image.mediaId));
      });
    });

    describe('oldest', () => {
      it('pages through what is finished and not pinned, oldest first, whatever its expiry', async () => {
        await store(
          anImage({ mediaId: 'c', status: 'succeeded', createdAt: at(3), expiresAt: at(999) }),
          anImage({ mediaId: 'b', status: 'failed', createdAt: at(2) }),
          anImage({ mediaId: 'a', status: 'cancelled', createdAt: at(2) }),
          anImage({
            mediaId: 'pinned',
            status: 'succeeded',
            createdAt: at(1),
            request: aRequest({ labels: [PINNED] }),
          }),
          anImage({ mediaId: 'running', status: 'processing', createdAt: at(1) }),
        );
        const ids = async (limit: number, after: Place | null) =>
          (await records.oldest(limit, after)).map(({ mediaId }) => mediaId);
        expect(await ids(2, null)).toEqual(['a', 'b']);
        expect(await ids(2, { createdAt: at(2), mediaId: 'b' })).toEqual(['c']);
        expect(await ids(9, null)).toEqual(['a', 'b', 'c']);
        const due = { now: ms(9999), createdBefore: ms(9999), status: null, limit: 9, after: null };
        expect((await records.expired(due)).map(({ mediaId }) => mediaId)).toEqual(['a', 'b', 'c']);
      });
    });

    it('keeps the last cleanup', async () => {
      const report = {
        deleted: 1,
        freedBytes: 2,
        kept: 3,
        orphansRemoved: 4,
        missingFiles: 5,
        missingFilesOf: ['a'],
        dryRun: false,
        durationMs: 5,
        time: at(1),
      };
      expect(await records.lastCleanup()).toBeNull();
      await records.saveCleanup(report);
      await records.saveCleanup({ ...report, deleted: 9 });
      await restart();
      expect(await records.lastCleanup()).toEqual({ ...report, deleted: 9 });
    });

    describe('remove', () => {
      const published = anImage({
        mediaId: 'a.b',
        idempotencyKey: 'key',
        attempts: [anAttempt('t1'), anAttempt('t2')],
        original: { name: 'originals/a.b~t2', bytes: 1, sha256: '', sound: true },
        request: aRequest({ format: 'jpeg', renditions: [{ width: 5, height: 6, format: 'webp' }] }),
      });
      const names = ['a.b.jpeg', 'a.b@5x6.webp', 'originals/a.b~t1', 'originals/a.b~t2'];

      it('takes the record and notes every file it can have, until it is told that they are gone', async () => {
        await store(published, anImage({ mediaId: 'other' }));
        const deletion = await records.remove('a.b');
        expect([...(deletion?.names ?? [])].sort()).toEqual(names);
        expect(await records.get('a.b')).toBeNull();
        expect(await listed({})).toEqual(['other']);
        await restart();
        expect(await records.pendingDeletions()).toEqual([deletion]);
        expect(await records.ownedNames([...names, 'a.b.png'])).toEqual(new Set(names));
        expect(await records.remove('a.b')).toBeNull();
        await records.deletionDone('a.b');
        await records.deletionDone('a.b');
        expect(await records.pendingDeletions()).toEqual([]);
        expect(await records.ownedNames(names)).toEqual(new Set());
      });

      it('does not take the mediaId again before the old files are gone, as they bear the names of the new ones', async () => {
        await store(published);
        await records.remove('a.b');
        await expect(records.accept(published, Infinity)).rejects.toMatchObject({
          code: 'storage_unavailable',
          mediaId: 'a.b',
          retryAfterSeconds: 1,
        });
        expect(await records.get('a.b')).toBeNull();
        await records.deletionDone('a.b');
        await store(published);
      });
    });

    describe('ownedNames', () => {
      const request = aRequest({
        renditions: [
          { width: 5, height: 6, format: 'webp' },
          { width: 7, height: 8, format: 'avif' },
        ],
      });
      const running = anImage({ mediaId: 'a', status: 'processing', request, attempts: [anAttempt('t1')] });
      const done = {
        ...running,
        status: 'succeeded',
        original: { name: 'originals/a~t1', bytes: 1, sha256: '', sound: true },
        master: aFile('a.png', 1),
        renditions: [aFile('a@5x6.webp', 1)],
      } satisfies Image;
      const possible = ['a.png', 'a@5x6.webp', 'a@7x8.avif', 'originals/a~t1'];
      const strange = [
        'a',
        'a.webp',
        'a.png.png',
        'a@5x6.png',
        'a@7x9.avif',
        'originals/a~t2',
        'originals/a',
        'b.png',
        '.gitkeep',
        'notes.txt',
        '',
      ];

      it.each<[string, Image, readonly string[]]>([
        ['while it runs', running, possible],
        ['when it succeeded', done, ['a.png', 'a@5x6.webp', 'originals/a~t1']],
        ['when it failed', { ...running, status: 'failed' }, ['originals/a~t1']],
        ['when it was cancelled before a call', { ...running, status: 'cancelled', attempts: [] }, []],
      ])('are those that an image has or may yet get, %s', async (_, image, expected) => {
        await store(image);
        expect(await records.ownedNames([...possible, ...strange])).toEqual(new Set(expected));
      });

      it('are told apart where one mediaId continues another', async () => {
        await store(anImage({ mediaId: 'a' }), anImage({ mediaId: 'a.png' }));
        expect(await records.ownedNames(['a.png', 'a.png.png', 'a.png.png.png'])).toEqual(
          new Set(['a.png', 'a.png.png']),
        );
        await records.remove('a');
        await records.deletionDone('a');
        expect(await records.ownedNames(['a.png', 'a.png.png'])).toEqual(new Set(['a.png.png']));
      });
    });

    it('checks itself as often as asked, and says so when it is closed', async () => {
      await records.check();
      await records.check();
      await records.close();
      await expect(records.check()).rejects.toMatchObject({ code: 'storage_unavailable' });
      await expect(records.get('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
    });
  });
}

type StepOf<Arbitrary> = Arbitrary extends fc.Arbitrary<infer Step> ? Step : never;

/** Milliseconds since 1970 of the moment `seconds` after the beginning of 2026. */
export function ms(seconds: number): number {
  return Date.UTC(2026) + seconds * 1000;
}

/** The same moment as ISO 8601. */
export function at(seconds: number): string {
  return new Date(ms(seconds)).toISOString();
}

/** A queued image with no renditions, changed as asked. */
export function anImage(overrides: Partial<Image> = {}): Image {
  return {
    mediaId: 'image',
    status: 'queued',
    run: 1,
    owner: 'anonymous',
    idempotencyKey: null,
    fingerprint: '1:abc',
    request: aRequest(),
    prompt: 'a lighthouse at dusk',
    provider: 'placeholder',
    model: 'placeholder',
    requestedSize: { width: 64, height: 64 },
    revisedPrompt: null,
    attempts: [],
    original: null,
    master: null,
    renditions: [],
    pending: [],
    thumbhash: null,
    dominantColour: null,
    checks: [],
    cost: { usd: 0, basis: 'usage' },
    estimate: { usd: 0, basis: 'usage' },
    warnings: [],
    createdAt: at(0),
    completedAt: null,
    expiresAt: null,
    error: null,
    ...overrides,
  };
}

export function aRequest(overrides: Partial<ImageRequest> = {}): ImageRequest {
  return {
    prompt: 'a lighthouse at dusk',
    brief: null,
    preset: null,
    model: 'placeholder',
    provider: null,
    size: { width: 64, height: 64 },
    quality: 'auto',
    style: null,
    background: 'auto',
    format: 'png',
    renditions: [],
    metadata: {},
    labels: [],
    ttlSeconds: null,
    webhookUrl: null,
    ...overrides,
  };
}

export function anAttempt(id: string): Attempt {
  return {
    id,
    run: 1,
    provider: 'placeholder',
    model: 'placeholder',
    startedAt: at(0),
    durationMs: null,
    outcome: 'unknown',
    httpStatus: null,
    providerRequestId: null,
    cost: { usd: 0, basis: 'estimate' },
  };
}

function aFile(name: string, bytes: number): MediaFile {
  return { name, bytes, width: 64, height: 64, format: 'png', sha256: name };
}
