import { describe, expect, it } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import type { EventStream } from '../support/network/event-stream.ts';
import { hang, picture } from '../support/openai/answers.ts';
import type { Step } from '../support/openai/server.ts';

const ASYNC = { prefer: 'respond-async' };
const X = { mediaId: 'x', prompt: 'a lighthouse' };

// A cancel waits up to 5 s for the end of the call.
const start = () => startEasel({ env: { CONCURRENCY: '1' }, skipMs: 4_000 });

/** Listens to `x` from before its call, which waits while another image occupies the only slot; then `steps` answer for `x`. */
async function listenFromTheStart(easel: Easel, ...steps: readonly Step[]): Promise<EventStream> {
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }), ...steps);
  await easel.post({ mediaId: 'first', prompt: 'a lighthouse' }, ASYNC);
  await gate.reached();
  await easel.post(X, ASYNC);
  const stream = await easel.listen('x');
  gate.open();
  return stream;
}

const brief = (events: readonly { readonly event?: string; readonly data?: Record<string, unknown> }[]) =>
  events.map(({ event, data }) => (event === 'status' ? data?.status : event));

describe('a listener', () => {
  it('receives partial pictures as the model streams them, and the record at the end', async () => {
    await using easel = await start();
    const gate = easel.upstream.gate();
    const stream = await listenFromTheStart(easel, picture({ drip: { pause: gate } }));
    const events = [];
    for (let event = await stream.next(); event !== null; event = await stream.next()) {
      events.push(event);
      // The model sends the next event only after this one was received.
      if (event.event === 'partial') gate.release();
    }
    expect(brief(events)).toEqual(['queued', 'generating', 'partial', 'partial', 'processing', 'succeeded', 'done']);
    expect(events.at(-1)?.data).toEqual(await easel.record('x'));
    expect(events.filter(({ event }) => event === 'partial').map(({ data }) => data?.index)).toEqual([0, 1]);
    const bytes = Buffer.from(String(events[2]?.data?.base64), 'base64');
    expect(bytes.subarray(1, 4).toString()).toBe('PNG');

    expect(easel.upstream.calls[1]?.body).toMatchObject({ stream: true, partial_images: 2 });
    expect((await easel.files()).filter((name) => name.includes('x~'))).toHaveLength(1);
    expect(await easel.record('x')).toMatchObject({ cost: { basis: 'usage' }, attempts: [{ outcome: 'ok' }] });
  });

  it('that connects late receives the current state, and causes no call', async () => {
    await using easel = await start();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post(X, ASYNC);
    await gate.reached();
    await using stream = await easel.listen('x');
    const first = await stream.next();
    expect(first).toMatchObject({
      event: 'status',
      data: { status: 'generating', attempts: [{ outcome: 'running' }] },
    });
    expect(easel.upstream.calls[0]?.body).not.toHaveProperty('stream');

    await using again = await easel.listen('x', first?.id);
    gate.open();
    for (const listener of [stream, again]) {
      expect(brief(await listener.rest())).toEqual(['processing', 'succeeded', 'done']);
    }
    const after = await (await easel.listen('x')).rest();
    expect(brief(after)).toEqual(['succeeded', 'done']);
    expect((await easel.listen('x', after[0]?.id).then((stream) => stream.rest())).map(({ event }) => event)).toEqual([
      'done',
    ]);
    expect((await easel.listen('x', after[1]?.id)).response.status).toBe(204);
  });

  it('receives the failure after a broken stream and the one further call that an unknown outcome allows', async () => {
    await using easel = await start();
    const stream = await listenFromTheStart(
      easel,
      picture({ partials: 1, streamError: 'server_error' }),
      picture({ cut: { after: { pieces: 1 }, by: 'end' } }),
    );
    const events = await stream.rest();
    expect(brief(events).at(-2)).toBe('failed');
    expect(events.at(-1)).toMatchObject({
      event: 'done',
      data: {
        status: 'failed',
        error: { code: 'provider_failed' },
        attempts: [{ outcome: 'unknown' }, { outcome: 'unknown' }],
      },
    });
    expect(easel.upstream.calls).toHaveLength(3);
  });

  it('receives the cancellation once the call has ended', async () => {
    // The cancel waits for the end of the call, and that for the disk: such a wait is not to be skipped.
    await using easel = await startEasel({ env: { CONCURRENCY: '1' }, skipMs: 4_000 });
    const stream = await listenFromTheStart(easel, hang());
    await easel.upstream.received(2);
    await easel.cancel('x');
    expect((await stream.rest()).slice(-2)).toMatchObject([
      { event: 'status', data: { status: 'cancelled', attempts: [{ outcome: 'cancelled' }] } },
      { event: 'done', data: { status: 'cancelled' } },
    ]);
  });

  it('receives the deletion of the image, which is a 404 after that', async () => {
    await using easel = await start();
    const stream = await listenFromTheStart(easel, hang());
    await easel.upstream.received(2);
    await fetch(`${easel.url}/images/x`, { method: 'DELETE' });
    expect(brief(await stream.rest())).toEqual(['queued', 'generating', 'deleted']);
    expect((await easel.listen('x')).response.status).toBe(404);
  });

  it('is disconnected when the service stops', async () => {
    const easel = await start();
    const stream = await listenFromTheStart(easel, hang());
    await easel.upstream.received(2);
    await easel[Symbol.asyncDispose]();
    expect(brief(await stream.rest())).toEqual(['queued', 'generating']);
  });
});
