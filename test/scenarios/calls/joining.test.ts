import { describe, expect, it } from 'vitest';
import { ANONYMOUS } from '../../../src/core/domain/request.ts';
import { startEasel } from '../../support/app/easel.ts';
import {
  ANNA,
  BERT,
  drive,
  finish,
  holdPictures,
  identity,
  LIGHTHOUSE,
  statuses,
} from '../../support/calls/example-calls.ts';
import { until } from '../../support/until.ts';

describe('fresh calls', () => {
  it('that ask for the same stay two, and so do those that say nothing about retries', async () => {
    await using easel = await startEasel();
    const { fresh, isKnown } = drive(easel.services);
    const calls = [await fresh(), await fresh()];
    calls.push(await easel.services.calls.submit(LIGHTHOUSE, 1, ANNA, identity({ retryCount: null })));
    expect(calls.map(({ started }) => started)).toEqual([true, true, true]);
    expect(await isKnown({})).toBe(false);
    expect(await isKnown({ retryCount: null })).toBe(false);
    for (const call of calls) expect(statuses(await finish(easel.services, call))).toEqual(['succeeded']);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(3);
    expect(easel.upstream.calls).toHaveLength(3);
  });

  it('make several images, each with its record, that know their call', async () => {
    await using easel = await startEasel();
    const call = await drive(easel.services).fresh(3);
    const { images } = await finish(easel.services, call);
    expect(statuses({ id: call.id, images })).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(images[0]?.mediaId).toBe(call.id);
    expect(images.map((image) => image.call)).toEqual(
      [0, 1, 2].map((index) => ({ id: call.id, index, count: 3, digest: identity().digest })),
    );
    for (const { mediaId } of images) {
      expect((await easel.record(mediaId)).status).toBe('succeeded');
      expect(await easel.services.calls.find(mediaId, ANNA).catch(({ code }) => code)).toBe('not_found');
      const found = await easel.services.calls.find(mediaId, { name: 'anonymous', seesAll: false, admin: false });
      expect(found).toEqual({ id: call.id, images });
    }
  });

  it('of POST /images are calls of their own', async () => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    const { id, images } = await easel.services.calls.find('x', BERT).catch(() => ({ id: 'none', images: [] }));
    expect([id, images]).toEqual(['none', []]);
    const found = await easel.services.calls.find('x', { name: 'bert', seesAll: true, admin: false });
    expect([found.id, found.images.map(({ mediaId }) => mediaId)]).toEqual(['x', ['x']]);
  });
});

describe('a retry', () => {
  it('joins the run of its call, and two retries join two different ones', async () => {
    await using easel = await startEasel();
    const gate = holdPictures(easel);
    const { fresh, retry, isKnown } = drive(easel.services);
    const first = await fresh();
    const second = await fresh();
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    expect(await isKnown({ retryCount: 1 })).toBe(true);
    const joined = await Promise.all([retry(), retry()]);
    expect(joined.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort());
    expect(joined.map(({ started }) => started)).toEqual([false, false]);
    // With both awaited, a third gets the oldest.
    expect((await retry()).id).toBe(first.id);
    gate.open();
    for (const call of joined) expect(statuses(await finish(easel.services, call))).toEqual(['succeeded']);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('joins the call that no client waits for, and collects what no client was given', async () => {
    await using easel = await startEasel();
    const { fresh, retry } = drive(easel.services);
    const given = await fresh();
    await finish(easel.services, given);
    const gate = holdPictures(easel);
    const cut = await fresh();
    cut[Symbol.dispose]();
    const waiting = await fresh();
    const again = await retry();
    expect(again.id).toBe(cut.id);
    gate.open();
    await finish(easel.services, again);
    await finish(easel.services, waiting);
    // All were given by now: whose answer was lost is not known, and the oldest is given again.
    expect((await retry()).id).toBe(given.id);
    expect(easel.upstream.calls).toHaveLength(3);
  });

  it('collects another call than the retry before it, where both have ended and none was given', async () => {
    await using easel = await startEasel();
    const { fresh, retry } = drive(easel.services);
    const calls = [await fresh(), await fresh()];
    for (const { id } of calls) await until(async () => (await easel.record(id)).status === 'succeeded');
    for (const call of calls) call[Symbol.dispose]();
    const collect = async () => {
      using call = await retry();
      return call.id;
    };
    expect([await collect(), await collect(), await collect()]).toEqual([calls[0]?.id, calls[1]?.id, calls[0]?.id]);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('joins another call than one whose client has an answer without waiting for its end', async () => {
    await using easel = await startEasel();
    const gate = holdPictures(easel);
    const { fresh, retry } = drive(easel.services);
    const answered = await fresh();
    easel.services.calls.noteDelivered(answered);
    const cut = await fresh();
    for (const call of [answered, cut]) call[Symbol.dispose]();
    const again = await retry();
    expect(again.id).toBe(cut.id);
    gate.open();
    for (const call of [again, answered]) await finish(easel.services, call);
  });

  it('two hundred calls for the same, each cut off and sent again until it has its picture: 200 pictures, each given once', async () => {
    await using easel = await startEasel({ env: { CONCURRENCY: '16' } });
    const { fresh, retry } = drive(easel.services);
    const picturesOf = async (): Promise<string> => {
      const none = AbortSignal.abort();
      for (let attempt = 0; ; attempt += 1) {
        using call = await (attempt === 0 ? fresh() : retry(1, attempt));
        const cutOff = attempt < 2 ? none : new AbortController().signal;
        const { id, images } = await easel.services.calls.wait(call, 3_600_000, cutOff);
        if (attempt >= 2 && images.every(({ status }) => status === 'succeeded')) return id;
      }
    };
    const ids = await Promise.all(Array.from({ length: 200 }, picturesOf));
    expect(new Set(ids).size).toBe(200);
    expect(easel.upstream.calls).toHaveLength(200);
  });

  it('of another key, or that asks for something else, joins nothing', async () => {
    await using easel = await startEasel();
    const { calls } = easel.services;
    const hers = drive(easel.services, ANNA);
    const his = drive(easel.services, BERT);
    const first = await hers.fresh();
    await finish(easel.services, first);
    expect(await his.isKnown({ retryCount: 1 })).toBe(false);
    const other = await his.retry();
    expect([other.started, other.id === first.id]).toEqual([true, false]);
    const different = await calls.submit(LIGHTHOUSE, 1, ANNA, identity({ digest: 'e'.repeat(64), retryCount: 2 }));
    expect(different.started).toBe(true);
    expect((await hers.retry()).id).toBe(first.id);
    for (const call of [other, different]) await finish(easel.services, call);
    expect(easel.upstream.calls).toHaveLength(3);
  });

  it('is served under overload and while the service stops, where a fresh call is refused', async () => {
    await using easel = await startEasel();
    const { calls } = easel.services;
    const gate = holdPictures(easel);
    const first = await drive(easel.services).fresh();
    await gate.reached();
    const send = (retryCount: number, options = {}) =>
      calls.submit(LIGHTHOUSE, 1, ANONYMOUS, identity({ retryCount }), options);
    expect((await send(1, { overloaded: true })).id).toBe(first.id);
    await expect(send(0, { overloaded: true })).rejects.toMatchObject({ code: 'queue_full' });
    // What is wrong in itself is no matter of load.
    const wrong = { ...LIGHTHOUSE, preset: 'unknown' };
    await expect(calls.submit(wrong, 1, ANNA, identity(), { overloaded: true })).rejects.toMatchObject({
      code: 'invalid_request',
    });

    const waiting = calls.wait(first, 3_600_000, new AbortController().signal);
    const stopped = easel.services.stop({ graceMs: 3_600_000, finishMs: 3_600_000 });
    expect(statuses(await waiting)).toEqual(['generating']);
    expect((await send(1)).id).toBe(first.id);
    await expect(send(0)).rejects.toMatchObject({ code: 'shutting_down' });
    gate.open();
    await stopped;
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('waits until its signal fires, and leaves the run alone', async () => {
    await using easel = await startEasel();
    const gate = holdPictures(easel);
    const call = await drive(easel.services).fresh(2);
    const left = new AbortController();
    const waiting = easel.services.calls.wait(call, 3_600_000, left.signal);
    await easel.upstream.received(2);
    left.abort();
    expect(statuses(await waiting)).toEqual(['generating', 'generating']);
    gate.open();
    expect(statuses(await finish(easel.services, call))).toEqual(['succeeded', 'succeeded']);
  });

  it('finds no call of which an image was deleted, and a waiting one gets those that are left', async () => {
    await using easel = await startEasel();
    const gate = holdPictures(easel);
    const { fresh, retry, ended } = drive(easel.services);
    const call = await fresh(2);
    const waiting = ended(call);
    await easel.upstream.received(2);
    const [first, second] = call.images;
    await easel.services.images.remove(second?.mediaId ?? '', ANONYMOUS);
    gate.open();
    expect((await waiting).images.map(({ mediaId, status }) => [mediaId, status])).toEqual([
      [first?.mediaId, 'succeeded'],
    ]);
    const again = await retry(2);
    expect([again.started, again.images.length]).toEqual([true, 2]);
    await finish(easel.services, again);
    await easel.services.images.remove(call.id, ANONYMOUS);
    await expect(ended(call)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a retry of a call that is still being accepted', () => {
  it('joins it, although its client has given up meanwhile, and takes no token of the rate limit', async () => {
    await using easel = await startEasel();
    const { fresh, retry, isKnown } = drive(easel.services);
    const [first, known, second, third] = await Promise.all([
      fresh(2),
      isKnown({ retryCount: 1 }),
      retry(2),
      retry(2, 2),
    ]);
    expect([second.id, second.started, third.id, third.started]).toEqual([first.id, false, first.id, false]);
    expect(known).toBe(true);
    await finish(easel.services, first);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('makes the pictures once where that is refused: of two retries the second joins the first', async () => {
    await using easel = await startEasel();
    const { retry } = drive(easel.services);
    const refused = easel.services.calls.submit(LIGHTHOUSE, 1, ANONYMOUS, identity(), { overloaded: true });
    const [, first, second] = await Promise.allSettled([refused, retry(), retry(1, 2)]);
    expect(await refused.catch((error: unknown) => error)).toMatchObject({ code: 'queue_full' });
    if (first.status !== 'fulfilled' || second.status !== 'fulfilled') throw new Error('a retry was refused');
    expect([first.value.started, second.value.started, second.value.id]).toEqual([true, false, first.value.id]);
  });
});
