import { describe, expect, it } from 'vitest';
import { ANONYMOUS } from '../../../src/core/domain/request.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { drive, finish, holdPictures, statuses } from '../../support/calls/example-calls.ts';
import { picture } from '../../support/openai/answers.ts';
import { until } from '../../support/until.ts';

describe('cancelUnlessAwaited', () => {
  const cancel = (easel: Easel, call: Parameters<Easel['services']['calls']['cancelUnlessAwaited']>[0]) =>
    easel.services.calls.cancelUnlessAwaited(call, ANONYMOUS);

  it('cancels what is unfinished once the last client has left', async () => {
    await using easel = await startEasel();
    holdPictures(easel);
    const { fresh, retry } = drive(easel.services);
    const first = await fresh(2);
    const second = await retry(2);
    await easel.upstream.received(2);
    await cancel(easel, first);
    expect(statuses(await easel.services.calls.find(first.id, ANONYMOUS))).toEqual(['generating', 'generating']);
    // Left twice, it counts once.
    first[Symbol.dispose]();
    await cancel(easel, first).catch(() => undefined);
    await cancel(easel, second);
    expect(statuses(await easel.services.calls.find(first.id, ANONYMOUS))).toEqual(['cancelled', 'cancelled']);
    await easel.upstream.abandoned(2);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('leaves finished pictures as they are, and a cancelled call runs again when it is sent again', async () => {
    await using easel = await startEasel();
    const { fresh, retry } = drive(easel.services);
    const done = await fresh();
    await drive(easel.services).ended(done);
    await cancel(easel, done);
    expect(statuses(await easel.services.calls.find(done.id, ANONYMOUS))).toEqual(['succeeded']);
    const gate = holdPictures(easel);
    const call = await fresh();
    await gate.reached();
    await cancel(easel, call);
    easel.upstream.always(picture());
    const again = await retry();
    expect([again.id, again.started]).toEqual([call.id, true]);
    expect(statuses(await finish(easel.services, again))).toEqual(['succeeded']);
    await until(() => easel.upstream.calls.length === 3);
  });
});
