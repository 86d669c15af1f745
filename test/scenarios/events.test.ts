import { describe, expect, it } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { multipart } from '../support/multipart.ts';
import type { EventStream } from '../support/network/event-stream.ts';
import { answer, hang, picture } from '../support/openai/answers.ts';
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

describe('partial pictures that the request asks for', () => {
  const costOf = async ({ url }: Easel, partials: number) => {
    const answer = await fetch(`${url}/images/preview`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...X, partials }),
    });
    const { cost } = (await answer.json()) as { cost: { usd: number } };
    return cost.usd;
  };
  const reserved = async (easel: Easel) => {
    const { budget } = (await (await easel.get('/usage')).json()) as { budget: { reserved: number } };
    return budget.reserved;
  };

  it('are in the estimate, and in what is reserved from the acceptance to the end of the call', async () => {
    await using easel = await start();
    const gates = [easel.upstream.gate(), easel.upstream.gate()] as const;
    easel.upstream.script(...gates.map((gate) => picture({ beforeHeaders: gate })));
    const [plain, streamed] = [await costOf(easel, 0), await costOf(easel, 3)];
    // 100 output tokens each, at $30 a million.
    expect(streamed - plain).toBeCloseTo(0.009, 6);
    await easel.post({ ...X, mediaId: 'first' }, ASYNC);
    await gates[0].reached();
    await easel.post({ ...X, partials: 3 }, ASYNC);
    expect(await reserved(easel)).toBeCloseTo(plain + streamed, 6);
    gates[0].open();
    await gates[1].reached();
    expect(await reserved(easel)).toBeCloseTo(streamed, 6);
    gates[1].open();
    expect(brief(await (await easel.listen('x')).rest()).at(-1)).toBe('done');
    expect(await reserved(easel)).toBe(0);
  });

  it('are no reason to make the same picture twice, and are refused where the budget has no room for them', async () => {
    await using priced = await start();
    const budget = (await costOf(priced, 2)) + 0.000_001;
    await using easel = await startEasel({ env: { BUDGET_USD_PER_DAY: budget.toFixed(6) } });
    const refused = await easel.post({ ...X, partials: 3 });
    expect([refused.status, refused.body.code, easel.upstream.calls]).toEqual([429, 'budget_exhausted', []]);
    expect((await easel.post({ ...X, partials: 2 })).status).toBe(201);
    expect((await easel.post({ ...X, partials: 3 })).status).toBe(200);
    expect(easel.upstream.calls.map(({ body }) => body.partial_images)).toEqual([2]);
  });

  it('come in a multipart body too, and stay in the record for a retry', async () => {
    await using easel = await start();
    easel.upstream.script(answer({ status: 400, json: { error: { message: 'not today' } } }));
    const { bytes, contentType } = multipart([{ name: 'request', content: JSON.stringify({ ...X, partials: 1 }) }]);
    const send = () =>
      fetch(`${easel.url}/images`, { method: 'POST', headers: { 'content-type': contentType }, body: bytes });
    await (await send()).arrayBuffer();
    expect((await easel.record('x')).request.partials).toBe(1);
    await easel.retry('x');
    expect(easel.upstream.calls.map(({ body }) => body.partial_images)).toEqual([1, 1]);
  });

  it('are dropped with a warning where the model does not stream', async () => {
    await using easel = await startEasel({ env: { IMAGE_MODEL: 'my-own' } });
    easel.upstream.strict = false;
    const { status, body } = await easel.post({ ...X, partials: 2 });
    expect([status, body.request?.partials]).toEqual([201, 2]);
    expect(body.warnings).toContainEqual({
      code: 'parameter_dropped',
      detail: 'my-own does not stream: no partial pictures are shown',
    });
    expect(easel.upstream.calls[0]?.body).not.toHaveProperty('stream');
  });
});

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

  it('that connects late receives the newest of the partial pictures that the request asked for', async () => {
    await using easel = await start();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ drip: { pause: gate } }));
    await easel.post({ ...X, partials: 3 }, ASYNC);
    await gate.reached();
    expect(easel.upstream.calls[0]?.body).toMatchObject({ stream: true, partial_images: 3 });
    await using stream = await easel.listen('x');
    const first = [await stream.next(), await stream.next()];
    expect(brief(first.filter((event) => event !== null))).toEqual(['generating', 'partial']);
    expect(first[1]?.data?.index).toBe(0);

    gate.open();
    const rest = await stream.rest();
    expect(brief(rest).slice(-3)).toEqual(['processing', 'succeeded', 'done']);
    expect(brief(await (await easel.listen('x')).rest())).toEqual(['succeeded', 'done']);
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
