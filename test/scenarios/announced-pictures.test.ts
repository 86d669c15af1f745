/** Answers that name their picture by a URL instead of holding it: it is paid for, so the URL is durable before anything else. */

import { describe, expect, it } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import type { Delivery } from '../support/network/http-delivery.ts';
import { answer, type Behaviour, dropConnection, hang, openAiError, picture } from '../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { texturedPicture } from '../support/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ASYNC = { prefer: 'respond-async' };
const X = { mediaId: 'x', prompt: 'a lighthouse' };
const BY_URL = { as: 'url' } as const;
const GONE = answer({ name: 'gone', status: 404, body: 'not found', type: 'text/plain' });

describe('a picture that is named by its URL', () => {
  it.each<[string, readonly Behaviour[]]>([
    ['answers 404', [GONE]],
    ['answers 503', [answer({ status: 503, body: 'busy', type: 'text/plain' })]],
    ['resets the connection', [dropConnection('reset')]],
    [
      'breaks off',
      [answer({ body: Buffer.alloc(4096), type: 'image/png', cut: { after: { bytes: 99 }, by: 'close' } })],
    ],
    ['fails in every way', [GONE, dropConnection('close'), answer({ status: 500, body: '' }), GONE, GONE]],
  ])('is fetched again where its server %s at first, and paid once', async (_, fileFirst) => {
    await using easel = await startEasel();
    easel.upstream.script(picture({ ...BY_URL, fileFirst, revisedPrompt: 'a tall lighthouse' }));
    const { status, body } = await easel.post(X);
    expect(status).toBe(201);
    expect(body).toMatchObject({
      revisedPrompt: 'a tall lighthouse',
      attempts: [{ outcome: 'ok', httpStatus: 200, providerRequestId: expect.stringMatching(/^req_/) }],
      cost: { basis: 'usage' },
    });
    expect(easel.upstream.calls).toHaveLength(1);
    expect(fileCalls(easel.upstream)).toHaveLength(fileFirst.length + 1);
  });

  it('has an unknown outcome where its URL stays dead, which the bound on such calls holds for', async () => {
    await using easel = await startEasel({ env: { AMBIGUOUS_RETRIES: '1' } });
    easel.upstream.always(picture({ ...BY_URL, file: GONE }));
    const { status, body } = await easel.post(X);
    expect([status, body.code]).toEqual([502, 'provider_failed']);
    expect(body.detail).toMatch(/URL of its picture, which could not be fetched: .*404/);
    const record = await easel.record('x');
    expect(record.attempts).toMatchObject([
      { outcome: 'unknown', httpStatus: 200, providerRequestId: expect.stringMatching(/^req_/) },
      { outcome: 'unknown', httpStatus: 200 },
    ]);
    expect(record.cost).toMatchObject({ basis: 'usage' });
    expect(JSON.stringify(record)).not.toContain('/files/');
    expect(easel.upstream.calls).toHaveLength(2);
    // Tried for as long as the call may take, with growing gaps.
    expect(fileCalls(easel.upstream).length).toBeGreaterThan(2 * 10);
  });

  it('is fetched after a crash, without another call', async () => {
    await using upstream = await startOpenAiServer();
    upstream.script(picture({ ...BY_URL, fileFirst: [hang(), GONE] }));
    await using before = await startEasel({ upstream });
    await before.post(X, ASYNC);
    await upstream.until(() => fileCalls(upstream).length === 1);
    await using left = await before.leftByCrash();
    const { attempts } = await before.record('x');
    expect(attempts).toMatchObject([{ httpStatus: 200, durationMs: null }]);

    await using easel = await startEasel({ upstream, folder: left.path });
    await expect.poll(async () => (await easel.record('x')).status).toBe('succeeded');
    expect(await easel.record('x')).toMatchObject({
      attempts: [{ outcome: 'ok', providerRequestId: attempts[0]?.providerRequestId }],
      cost: { basis: 'usage' },
    });
    expect(upstream.calls).toHaveLength(1);
  });

  it('is called for once more where its URL is dead after a crash', async () => {
    await using upstream = await startOpenAiServer();
    upstream.script(picture({ ...BY_URL, fileFirst: [hang()], file: GONE }));
    await using before = await startEasel({ upstream });
    await before.post(X, ASYNC);
    await upstream.until(() => fileCalls(upstream).length === 1);
    await using left = await before.leftByCrash();

    await using easel = await startEasel({ upstream, folder: left.path });
    await expect.poll(async () => (await easel.record('x')).status).toBe('succeeded');
    const { attempts } = await easel.record('x');
    expect(attempts.map(({ outcome, durationMs }) => [outcome, durationMs === null])).toEqual([
      ['unknown', false],
      ['ok', false],
    ]);
    expect(upstream.calls).toHaveLength(2);
  });

  it('is looked for at its URL before a retry pays', async () => {
    await using easel = await startEasel({ env: { AMBIGUOUS_RETRIES: '0' } });
    const found = await pictureFile();
    let file = GONE;
    easel.upstream.always(picture({ ...BY_URL, file: () => file }));
    expect((await easel.post(X)).status).toBe(502);
    const paid = (await easel.record('x')).cost;
    file = found;
    expect((await easel.retry('x')).status).toBe(201);
    expect(await easel.record('x')).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'ok' }], cost: paid });
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is fetched to its end although the image is cancelled meanwhile, and kept', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ ...BY_URL, file: await pictureFile({ beforeBody: gate }) }));
    await easel.post(X, ASYNC);
    await gate.reached();
    expect((await easel.cancel('x')).body).toMatchObject({ status: 'cancelled', warnings: [] });
    gate.open();
    await expect.poll(async () => (await easel.record('x')).warnings).toMatchObject([{ code: 'picture_kept' }]);
    expect((await easel.post(X)).body).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'ok' }] });
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is tried no further after a cancel, and for as long as before by the same request, without a call', async () => {
    await using easel = await startEasel();
    const cancelled = await cancelledWhileFetched(easel, [GONE, GONE]);
    expect(cancelled.attempts).toMatchObject([{ outcome: 'unknown', durationMs: null, httpStatus: 200 }]);
    expect(fileCalls(easel.upstream)).toHaveLength(1);
    const { status, body } = await easel.post(X);
    expect([status, body.attempts.map(({ outcome }) => outcome), body.cost]).toEqual([201, ['ok'], cancelled.cost]);
    expect(easel.upstream.calls).toHaveLength(1);
    expect(fileCalls(easel.upstream)).toHaveLength(4);
  });

  it('needs neither a provider nor a budget to be fetched by the same request', async () => {
    const env = { BUDGET_USD_PER_DAY: '0.2', IMAGE_QUALITY: 'high', IMAGE_SIZE: '1792x1024' };
    await using easel = await startEasel({ env });
    await cancelledWhileFetched(easel, []);
    easel.upstream.always(openAiError('invalid_api_key'));
    expect((await easel.post({ ...X, mediaId: 'y' })).body.code).toBe('budget_exhausted');
    expect((await easel.post({ mediaId: 'y', prompt: 'y', quality: 'low' })).body.code).toBe('provider_failed');
    expect((await easel.services.checks.providers()).status).toBe('error');
    expect((await easel.post(X)).status).toBe(201);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('is called for again, within the budget, where its URL has died since', async () => {
    const env = { BUDGET_USD_PER_DAY: '0.2', IMAGE_QUALITY: 'high', IMAGE_SIZE: '1792x1024' };
    await using easel = await startEasel({ env });
    await cancelledWhileFetched(easel, Array(999).fill(GONE));
    expect((await easel.post(X)).body.code).toBe('budget_exhausted');
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is tried for once more at the end of its time where its server asks for a longer wait', async () => {
    await using easel = await startEasel();
    const later = answer({ status: 503, headers: { 'retry-after': '301' }, body: '' });
    easel.upstream.script(picture({ ...BY_URL, fileFirst: [later] }));
    await easel.post(X, ASYNC);
    await expect.poll(() => easel.log.some((line) => line.includes('could not be fetched yet'))).toBe(true);
    easel.clock.advance(300_000);
    await expect.poll(async () => (await easel.record('x')).status).toBe('succeeded');
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is tried for more than once also where the call has taken all its time', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ ...BY_URL, beforeHeaders: gate, fileFirst: [GONE, GONE] }));
    await easel.post(X, ASYNC);
    await gate.reached();
    easel.clock.advance(299_900);
    gate.open();
    await expect.poll(async () => (await easel.record('x')).status).toBe('succeeded');
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is left to the next start where its URL is not there yet when the process stops', async () => {
    await using upstream = await startOpenAiServer();
    await using folder = await temporaryFolder();
    upstream.script(picture({ ...BY_URL, fileFirst: [GONE] }));
    {
      await using easel = await startEasel({ upstream, folder: folder.path, skipMs: 0 });
      await easel.post(X, ASYNC);
      await expect.poll(() => easel.log.some((line) => line.includes('could not be fetched yet'))).toBe(true);
      await easel.services.stop({ graceMs: 60_000 });
    }
    await using easel = await startEasel({ upstream, folder: folder.path });
    await expect.poll(async () => (await easel.record('x')).status).toBe('succeeded');
    expect(await easel.record('x')).toMatchObject({ attempts: [{ outcome: 'ok' }] });
    expect(upstream.calls).toHaveLength(1);
  });

  it('holds up no DELETE of its image', async () => {
    await using easel = await startEasel();
    easel.upstream.script(picture({ ...BY_URL, file: hang() }));
    await easel.post(X, ASYNC);
    await easel.upstream.until(() => fileCalls(easel.upstream).length === 1);
    const { status } = await fetch(`${easel.url}/images/x`, { method: 'DELETE' });
    expect(status).toBe(204);
    expect(await easel.files()).toEqual([]);
  });
});

describe('a picture whose answer has begun when its image is cancelled', () => {
  it('is read to its end and kept, and the same request finishes it without paying', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ drip: { bytes: 1000, pause: gate } }));
    await easel.post(X, ASYNC);
    await gate.reached();
    expect((await easel.cancel('x')).body).toMatchObject({ status: 'cancelled', warnings: [] });
    gate.open();
    await expect.poll(async () => (await easel.record('x')).warnings).toMatchObject([{ code: 'picture_kept' }]);
    const kept = await easel.record('x');
    expect(kept).toMatchObject({ status: 'cancelled', attempts: [{ outcome: 'ok' }], cost: { basis: 'usage' } });
    const { status, body } = await easel.post(X);
    expect([status, body.status, body.warnings, body.cost]).toEqual([201, 'succeeded', [], kept.cost]);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is not waited for by a DELETE', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ drip: { bytes: 1000, pause: gate } }));
    await easel.post(X, ASYNC);
    await gate.reached();
    expect((await fetch(`${easel.url}/images/x`, { method: 'DELETE' })).status).toBe(204);
    expect(await easel.files()).toEqual([]);
    await easel.upstream.abandoned(1);
  });
});

/** An image that was cancelled while its picture was fetched for the first time; then `fileFirst` answer, then the picture. */
async function cancelledWhileFetched(easel: Easel, fileFirst: readonly Behaviour[]) {
  const gate = easel.upstream.gate();
  const held = { ...GONE, delivery: { beforeHeaders: gate } };
  easel.upstream.script(picture({ ...BY_URL, fileFirst: [held, ...fileFirst] }));
  await easel.post(X, ASYNC);
  await gate.reached();
  await easel.cancel('x');
  gate.open();
  await expect.poll(async () => (await easel.record('x')).attempts).toMatchObject([{ outcome: 'unknown' }]);
  return await easel.record('x');
}

const fileCalls = ({ otherCalls }: OpenAiServer) => otherCalls.filter(({ operation }) => operation === 'file');

async function pictureFile(delivery: Delivery = {}): Promise<Behaviour> {
  const body = await texturedPicture({ width: 1024, height: 640 });
  return answer({ name: 'file', body, type: 'image/png', ...delivery });
}
