import { describe, expect, it } from 'vitest';
import { startEasel } from '../../support/app/easel.ts';
import { ANNA, drive, finish, holdPictures, statuses } from '../../support/calls/example-calls.ts';
import { openAiError, picture, textError } from '../../support/openai/answers.ts';

describe('a call that failed', () => {
  const failing = { env: { RETRY_MAX_ATTEMPTS: '1', AMBIGUOUS_RETRIES: '0' } };

  it('fails for its retries too, without another call, where it was or may have been billed', async () => {
    await using easel = await startEasel(failing);
    const { fresh, retry, keyed } = drive(easel.services);
    easel.upstream.always(picture({ content: 'truncated' }));
    const first = await finish(easel.services, await fresh());
    expect(statuses(first)).toEqual(['failed']);
    const billed = easel.upstream.calls.length;
    const again = await retry();
    expect([again.id, again.started, again.images]).toEqual([first.id, false, first.images]);
    await finish(easel.services, await keyed('k'));
    const calls = easel.upstream.calls.length;
    expect(statuses(await keyed('k'))).toEqual(['failed']);
    expect(easel.upstream.calls).toHaveLength(calls);
    expect(calls).toBeGreaterThan(billed);
  });

  it('fails for its retries too where the prompt was refused', async () => {
    await using easel = await startEasel(failing);
    const { fresh, retry } = drive(easel.services);
    easel.upstream.always(openAiError('moderation_blocked'));
    const first = await finish(easel.services, await fresh(2));
    expect(first.images.map(({ error }) => error?.code)).toEqual(['prompt_rejected', 'prompt_rejected']);
    expect((await retry(2)).images).toEqual(first.images);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('runs again for a retry where it is known not to be billed, all its images, once for several retries', async () => {
    await using easel = await startEasel(failing);
    const { fresh, retry, isKnown } = drive(easel.services);
    easel.upstream.script(textError(400, 'no such field'), textError(400, 'no such field'));
    const first = await finish(easel.services, await fresh(2));
    expect(statuses(first)).toEqual(['failed', 'failed']);
    // It calls, so it is counted.
    expect(await isKnown({ retryCount: 1 })).toBe(false);
    const again = await Promise.all([retry(2), retry(2), retry(2)]);
    expect(again.map(({ id }) => id)).toEqual([first.id, first.id, first.id]);
    expect(again.filter(({ started }) => started).length).toBeGreaterThan(0);
    for (const call of again) expect(statuses(await finish(easel.services, call))).toEqual(['succeeded', 'succeeded']);
    expect(easel.upstream.calls).toHaveLength(4);
  });

  it('is collected as it ended where one of its images was made', async () => {
    await using easel = await startEasel({ env: { ...failing.env, CONCURRENCY: '1' } });
    const { fresh, retry } = drive(easel.services);
    easel.upstream.script(picture(), openAiError('server_error'));
    const first = await finish(easel.services, await fresh(2));
    expect(statuses(first).toSorted()).toEqual(['failed', 'succeeded']);
    expect((await retry(2)).images).toEqual(first.images);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('is refused while the queue has no room for running it again, and is left for the next retry', async () => {
    await using easel = await startEasel({ env: { ...failing.env, CONCURRENCY: '1', QUEUE_LIMIT: '1' } });
    const { fresh, retry } = drive(easel.services);
    easel.upstream.script(openAiError('server_error'));
    const first = await finish(easel.services, await fresh());
    const gate = holdPictures(easel);
    const other = drive(easel.services, ANNA);
    const running = [await other.fresh()];
    await gate.reached();
    running.push(await other.fresh());
    await expect(retry()).rejects.toMatchObject({ code: 'queue_full' });
    gate.open();
    for (const call of running) await finish(easel.services, call);
    // No client waits for it: the next retry finds it.
    const again = await retry();
    expect([again.id, again.started]).toEqual([first.id, true]);
    expect(statuses(await finish(easel.services, again))).toEqual(['succeeded']);
  });
});
