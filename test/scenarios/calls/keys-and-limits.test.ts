import { describe, expect, it } from 'vitest';
import { ANONYMOUS } from '../../../src/core/domain/request.ts';
import { startEasel } from '../../support/app/easel.ts';
import {
  BERT,
  drive,
  finish,
  holdPictures,
  identity,
  LIGHTHOUSE,
  statuses,
} from '../../support/calls/example-calls.ts';

describe('an Idempotency-Key', () => {
  it('finds its call, whatever the retry count and however late, and is refused for another', async () => {
    await using easel = await startEasel();
    const { keyed, fresh, isKnown, retry } = drive(easel.services);
    const first = await keyed('k', 2);
    await finish(easel.services, first);
    easel.clock.advance(3_600_000);
    expect(await isKnown({ idempotencyKey: 'k' })).toBe(true);
    const again = await keyed('k', 2);
    expect([again.id, again.started, statuses(again)]).toEqual([first.id, false, ['succeeded', 'succeeded']]);
    const other = identity({ digest: 'e'.repeat(64), idempotencyKey: 'k' });
    await expect(easel.services.calls.submit(LIGHTHOUSE, 1, ANONYMOUS, other)).rejects.toMatchObject({
      code: 'idempotency_key_reused',
      mediaId: first.id,
    });
    expect(await isKnown({ digest: 'e'.repeat(64), idempotencyKey: 'k' })).toBe(false);
    // Another key is another call, and an hour later a retry without one finds nothing.
    expect((await keyed('other')).started).toBe(true);
    expect((await fresh()).started).toBe(true);
    expect((await retry()).started).toBe(false);
    expect((await drive(easel.services, BERT).keyed('k')).started).toBe(true);
    await easel.upstream.ended(5);
    expect(easel.upstream.calls).toHaveLength(5);
  });

  it('is one space with POST /images', async () => {
    await using easel = await startEasel();
    const { keyed } = drive(easel.services);
    await easel.post({ prompt: 'a lighthouse', renditions: [] }, { 'idempotency-key': 'mine' });
    await expect(keyed('mine')).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    await finish(easel.services, await keyed('theirs'));
    const { status, body } = await easel.post(
      { prompt: 'a lighthouse', renditions: [] },
      { 'idempotency-key': 'theirs' },
    );
    expect([status, body.code]).toEqual([422, 'idempotency_key_reused']);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('of 20 calls at once makes one call of them', async () => {
    await using easel = await startEasel();
    const { keyed } = drive(easel.services);
    const calls = await Promise.all(Array.from({ length: 20 }, () => keyed('k', 2)));
    expect(calls.filter(({ started }) => started)).toHaveLength(1);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(1);
    for (const call of calls) expect(statuses(await finish(easel.services, call))).toEqual(['succeeded', 'succeeded']);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('is free again once its call is deleted', async () => {
    await using easel = await startEasel();
    const { keyed } = drive(easel.services);
    const first = await keyed('k');
    await finish(easel.services, first);
    await easel.services.images.remove(first.id, ANONYMOUS);
    const again = await keyed('k');
    expect([again.started, again.id === first.id]).toEqual([true, false]);
    await finish(easel.services, again);
  });
});

describe('all images of a call, or none', () => {
  it('are accepted by the budget', async () => {
    let usd = 0;
    {
      await using easel = await startEasel();
      const call = await drive(easel.services).fresh();
      usd = call.images[0]?.estimate.usd ?? 0;
      await finish(easel.services, call);
    }
    expect(usd).toBeGreaterThan(0);
    await using easel = await startEasel({ env: { BUDGET_USD_PER_DAY: `${(usd * 2.5).toFixed(4)}` } });
    const { fresh, keyed } = drive(easel.services);
    await expect(fresh(3)).rejects.toMatchObject({ code: 'budget_exhausted' });
    await expect(keyed('k', 3)).rejects.toMatchObject({ code: 'budget_exhausted' });
    expect(await (await easel.get('/images')).json()).toMatchObject({ items: [] });
    const two = await keyed('k', 2);
    expect(two.started).toBe(true);
    // Joining takes no budget.
    expect((await keyed('k', 2)).started).toBe(false);
    await finish(easel.services, two);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('are accepted by the queue', async () => {
    await using easel = await startEasel({ env: { CONCURRENCY: '1', QUEUE_LIMIT: '3' } });
    const gate = holdPictures(easel);
    const { fresh, retry } = drive(easel.services);
    await expect(fresh(4)).rejects.toMatchObject({ code: 'queue_full' });
    const running = await fresh();
    await gate.reached();
    const two = await fresh(2);
    await expect(fresh(2)).rejects.toMatchObject({ code: 'queue_full', message: expect.stringContaining('these 2') });
    const one = await fresh();
    expect((await retry()).id).toBe(running.id);
    gate.open();
    for (const call of [running, two, one]) await finish(easel.services, call);
    expect(easel.upstream.calls).toHaveLength(4);
  });
});
