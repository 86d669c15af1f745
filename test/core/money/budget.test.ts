import { describe, expect, it } from 'vitest';
import { budgetResetsAt, utcDay } from '../../../src/core/money/budget.ts';
import type { UsageReport } from '../../../src/core/money/usage.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { dropConnection, hang, openAiError, picture } from '../../support/openai/answers.ts';
import { startOpenAiServer } from '../../support/openai/server.ts';
import { LONGEST_WAIT_MS } from '../../support/until.ts';

/** Estimate of one picture of 816x816 with the prompt below, in US dollars. */
const ESTIMATE = 0.18431;
const estimates = (count: number) => Math.round(count * ESTIMATE * 1e6) / 1e6;
const body = { prompt: 'a lighthouse', size: '816x816', renditions: [] };
/** The same request as the core takes it. */
const create = { ...body, size: { width: 816, height: 816 } };
const ANYONE = { name: 'anonymous', seesAll: true, admin: true };
const async = { prefer: 'respond-async' };

/** Settings with a budget for this many pictures. */
const budgetFor = (pictures: number) => ({ BUDGET_USD_PER_DAY: String(estimates(pictures)) });

/** What `GET /usage` answers; of the days only those on which there was something. */
async function usage(easel: Easel, query = ''): Promise<UsageReport> {
  return withoutEmptyDays((await (await easel.get(`/usage${query}`)).json()) as UsageReport);
}

function withoutEmptyDays({ days, budget }: UsageReport): UsageReport {
  return { days: days.filter(({ model }) => model !== null), budget };
}

describe('the budget', () => {
  it('holds for 200 concurrent requests: those it covers are accepted, the others are refused and leave no record', async () => {
    await using easel = await startEasel({ env: budgetFor(10) });
    easel.upstream.always(picture({ usage: null }));
    // Not over HTTP, which sheds load that the machine cannot keep up with.
    const { images } = easel.services;
    const submissions = Array.from({ length: 200 }, (_, index) =>
      images.submit({ ...create, mediaId: `m${index}` }, ANYONE, null),
    );
    const answers = await Promise.allSettled(submissions);
    const accepted = answers.filter((answer) => answer.status === 'fulfilled');
    const refused = answers.filter((answer) => answer.status === 'rejected');
    expect([accepted.length, refused.length]).toEqual([10, 190]);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'budget_exhausted' });
    await Promise.all(accepted.map(({ value }) => finished(easel, value.image.mediaId)));
    expect((await images.list({ limit: 100 }, ANYONE)).items).toHaveLength(10);

    expect(easel.upstream.calls).toHaveLength(10);
    const { days, budget } = await usage(easel);
    expect(days).toMatchObject([{ model: 'gpt-image-2', key: 'anonymous', images: 10, usd: estimates(10) }]);
    expect(budget).toMatchObject({ spent: estimates(10), reserved: 0 });
  });

  it('says when it resets, and resets then', async () => {
    await using easel = await startEasel({ env: budgetFor(1) });
    expect((await easel.post({ ...body, mediaId: 'a' })).status).toBe(201);
    const { status, headers, body: problem } = await easel.post({ ...body, mediaId: 'b' });
    expect([status, problem.code]).toEqual([429, 'budget_exhausted']);
    const { resetsAt } = (await usage(easel)).budget;
    expect(resetsAt).toMatch(/T00:00:00\.000Z$/);
    expect(problem.detail).toContain(resetsAt);
    const retryAfter = Number(headers.get('retry-after'));
    expect(Math.abs(easel.clock.now() + retryAfter * 1000 - Date.parse(resetsAt))).toBeLessThan(LONGEST_WAIT_MS);
    expect((await easel.get('/images/b')).status).toBe(404);
    // Replaying an existing image costs nothing, so the budget does not refuse it.
    expect((await easel.post({ ...body, mediaId: 'a' })).status).toBe(200);

    easel.clock.advance(retryAfter * 1000);
    expect((await easel.post({ ...body, mediaId: 'b' })).status).toBe(201);
    const { days } = await usage(easel, '?days=2');
    expect(days.map(({ day, images }) => [day, images])).toEqual([
      [resetsAt.slice(0, 10), 1],
      [new Date(Date.parse(resetsAt) - 1).toISOString().slice(0, 10), 1],
    ]);
    expect((await usage(easel, '?days=1')).days).toHaveLength(1);
  });

  it('keeps the estimate of a call with an unknown outcome as spent, so that a retry needs budget of its own', async () => {
    await using easel = await startEasel({ env: budgetFor(1) });
    easel.upstream.script(dropConnection('close'));
    const { status, body: problem } = await easel.post({ ...body, mediaId: 'a' });
    expect([status, problem.code]).toEqual([429, 'budget_exhausted']);
    expect(easel.upstream.calls).toHaveLength(1);
    expect(await easel.record('a')).toMatchObject({
      status: 'failed',
      cost: { usd: ESTIMATE, basis: 'estimate' },
      attempts: [{ outcome: 'unknown' }],
    });
    expect((await usage(easel)).budget).toMatchObject({ spent: ESTIMATE, reserved: 0 });
    expect((await usage(easel)).days).toMatchObject([{ images: 0, usd: ESTIMATE }]);
    expect(await (await easel.get('/metrics')).text()).toContain(
      `easel_cost_usd_total{provider="openai",model="gpt-image-2"} ${ESTIMATE}`,
    );
  });

  it.each([
    ['no budget for another', 1, ['unknown'], 'failed'],
    ['budget for another', 2, ['unknown', 'ok'], 'succeeded'],
  ])(
    'survives a crash during a call, with %s: the interrupted call stays spent',
    async (_, calls, outcomes, status) => {
      await using upstream = await startOpenAiServer();
      upstream.always(picture({ usage: null }));
      upstream.script(hang());
      const env = budgetFor(calls);
      await using before = await startEasel({ upstream, env });
      await before.post({ ...body, mediaId: 'a' }, async);
      await upstream.received(1);
      await using left = await before.leftByCrash();

      await using easel = await startEasel({ upstream, env, folder: left.path });
      await expect.poll(async () => (await easel.record('a')).status).toBe(status);
      const { attempts, cost, error } = await easel.record('a');
      expect(attempts.map(({ outcome }) => outcome)).toEqual(outcomes);
      expect(cost).toEqual({ usd: estimates(calls), basis: 'estimate' });
      expect(error?.code).toBe(status === 'failed' ? 'budget_exhausted' : undefined);
      expect(upstream.calls).toHaveLength(calls);
      expect((await usage(easel)).budget).toMatchObject({ spent: estimates(calls), reserved: 0 });
    },
  );

  it('releases the reservation of a failed call, so that its retry fits into the same budget', async () => {
    await using easel = await startEasel({ env: budgetFor(1) });
    easel.upstream.script(openAiError('server_error'), openAiError('server_error'));
    const { status, body: record } = await easel.post(body);
    expect([status, record.attempts.length, record.cost.basis]).toEqual([201, 3, 'usage']);
    const { budget } = await usage(easel);
    expect(budget).toMatchObject({ spent: record.cost.usd, reserved: 0 });
  });

  it('reserves again for a failed image that is requested again, and refuses it where there is no room', async () => {
    await using easel = await startEasel({ env: { ...budgetFor(1), RETRY_MAX_ATTEMPTS: '1' }, skipMs: 0 });
    easel.upstream.always(openAiError('server_error'));
    await easel.post({ ...body, mediaId: 'a' });
    expect(await easel.record('a')).toMatchObject({ status: 'failed', cost: { usd: 0, basis: 'none' } });
    expect((await usage(easel)).budget).toMatchObject({ spent: 0, reserved: 0 });
    easel.upstream.always(hang());
    expect((await easel.post({ ...body, mediaId: 'a' }, async)).status).toBe(202);
    expect((await usage(easel)).budget).toMatchObject({ spent: 0, reserved: ESTIMATE });
    await easel.upstream.received(2);
    await easel.cancel('a');
    expect((await usage(easel)).budget).toMatchObject({ spent: ESTIMATE, reserved: 0 });
    // A cancelled image runs again too, but not without budget.
    const { status, body: problem } = await easel.post({ ...body, mediaId: 'a' }, async);
    expect([status, problem.code]).toEqual([429, 'budget_exhausted']);
    expect((await easel.record('a')).status).toBe('cancelled');
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('spends a call on the day it began, and holds it back from the next day until it ends', async () => {
    await using easel = await startEasel({ env: budgetFor(1) });
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ usage: null }));
    easel.upstream.script(picture({ usage: null, beforeHeaders: gate }));
    const toMidnight = Date.parse((await usage(easel)).budget.resetsAt) - easel.clock.now();
    easel.clock.advance(toMidnight - 1_000);
    await easel.post({ ...body, mediaId: 'a' }, async);
    await gate.reached();
    easel.clock.advance(2_000);
    expect((await usage(easel, '?days=2')).days).toEqual([]);
    expect((await usage(easel)).budget).toMatchObject({ spent: 0, reserved: ESTIMATE });
    expect((await easel.post({ ...body, mediaId: 'b' })).status).toBe(429);
    gate.open();
    await finished(easel, 'a');
    const { days, budget } = await usage(easel, '?days=2');
    expect(days).toMatchObject([{ day: (await easel.record('a')).createdAt.slice(0, 10), images: 1, usd: ESTIMATE }]);
    expect(budget).toMatchObject({ spent: 0, reserved: 0 });
    expect((await easel.post({ ...body, mediaId: 'b' })).status).toBe(201);
  });

  it('holds back what a picture takes beside its output: the partial pictures of a stream', async () => {
    // The pauses of a listener's stream are not skipped: they would move the clock on for as long as the call is out.
    await using easel = await startEasel({ env: { BUDGET_USD_PER_DAY: String(ESTIMATE + 0.006) }, skipMs: 10_000 });
    const gate = easel.upstream.gate();
    easel.upstream.script(openAiError('server_error', { beforeHeaders: gate }), picture({ usage: null }));
    await easel.post({ ...body, mediaId: 'a' }, async);
    await gate.reached();
    const listener = await easel.listen('a');
    gate.open();
    await finished(easel, 'a');
    await listener[Symbol.asyncDispose]();
    expect(easel.upstream.calls.map(({ body }) => body.partial_images)).toEqual([undefined, 2]);
    expect((await usage(easel)).budget.spent).toBe(Math.round((ESTIMATE + 0.006) * 1e6) / 1e6);
  });

  it('releases the reservation of a deleted queued image, and keeps as spent what a running one may have cost', async () => {
    await using easel = await startEasel({ env: { ...budgetFor(2), CONCURRENCY: '1' } });
    easel.upstream.always(hang());
    await easel.post({ ...body, mediaId: 'running' }, async);
    await easel.upstream.received(1);
    await easel.post({ ...body, mediaId: 'waiting' }, async);
    expect((await usage(easel)).budget).toMatchObject({ spent: 0, reserved: estimates(2) });
    for (const id of ['waiting', 'running']) await fetch(`${easel.url}/images/${id}`, { method: 'DELETE' });
    expect((await usage(easel)).budget).toMatchObject({ spent: ESTIMATE, reserved: 0 });
    expect((await usage(easel)).days).toMatchObject([{ images: 0, usd: ESTIMATE }]);
  });

  it.each([
    ['refuses what exceeds the limit of the calling key', 'anonymous:0.001', 429],
    ['refuses what exceeds the limit of the service, though the key has budget left', '0.001,anonymous:5', 429],
    ['accepts what exceeds only the limit of another key', 'blog:0.001', 201],
  ])('%s', async (_, budget, status) => {
    await using easel = await startEasel({ env: { BUDGET_USD_PER_DAY: budget } });
    expect((await easel.post(body)).status).toBe(status);
  });

  it('refuses a model without a price, unless no limit applies to the caller', async () => {
    const env = { IMAGE_MODEL: 'my-own', BUDGET_USD_PER_DAY: '5' };
    await using limited = await startEasel({ env });
    const refused = await limited.post(body);
    expect([refused.status, refused.body.code]).toEqual([422, 'unsupported_parameter']);
    expect(refused.body.detail).toContain('MODEL_CATALOG');
    expect(limited.upstream.calls).toHaveLength(0);
    expect(limited.log.join()).toContain('the catalog has no price for my-own');

    await using unlimited = await startEasel({ env: { ...env, BUDGET_USD_PER_DAY: 'blog:5' } });
    unlimited.upstream.strict = false;
    const { status, body: record } = await unlimited.post(body);
    expect([status, record.cost]).toEqual([201, { usd: null, basis: 'unknown' }]);
    const { days, budget } = await usage(unlimited);
    expect([days.map(({ usd }) => usd), budget.spent]).toEqual([[null], null]);
  });
});

describe('the day of a budget', () => {
  const midnight = Date.UTC(2026, 10, 27);

  it.each([
    ['the last moment of a day', midnight - 1, '2026-11-26', midnight],
    ['midnight', midnight, '2026-11-27', midnight + 86_400_000],
    ['the first moment of a day', midnight + 1, '2026-11-27', midnight + 86_400_000],
  ])('at %s', (_, now, day, resetsAt) => {
    expect([utcDay(now), budgetResetsAt(now)]).toEqual([day, resetsAt]);
  });
});

describe('GET /usage', () => {
  it('still counts deleted images', async () => {
    await using easel = await startEasel();
    const { body: record } = await easel.post({ ...body, mediaId: 'a' });
    const before = await usage(easel);
    expect(before).toMatchObject({
      days: [{ model: 'gpt-image-2', key: 'anonymous', images: 1, usd: record.cost.usd }],
      budget: { usdPerDay: null, spent: record.cost.usd, reserved: 0 },
    });
    await fetch(`${easel.url}/images/a`, { method: 'DELETE' });
    expect(await usage(easel)).toEqual(before);
  });

  it('shows a key only its own spending and limit', async () => {
    await using easel = await startEasel({ env: { BUDGET_USD_PER_DAY: '50,blog:10' } });
    const { images } = easel.services;
    const submit = (name: string) => images.submit(create, { name, seesAll: false, admin: false }, null);
    for (const key of ['blog', 'shop']) await finished(easel, (await submit(key)).image.mediaId);
    const usageOf = async (name: string) =>
      withoutEmptyDays(await images.usage({}, { name, seesAll: false, admin: false }));
    const blog = await usageOf('blog');
    expect([blog.days.map(({ key }) => key), blog.budget.usdPerDay]).toEqual([['blog'], 10]);
    const shop = await usageOf('shop');
    expect([shop.days.map(({ key }) => key), shop.budget.usdPerDay]).toEqual([['shop'], null]);
    const all = await usage(easel);
    expect([all.days.map(({ key }) => key), all.budget.usdPerDay]).toEqual([['blog', 'shop'], 50]);
    const metrics = await (await easel.get('/metrics')).text();
    for (const key of ['blog', 'shop'])
      expect(metrics).toMatch(new RegExp(`easel_spent_today_usd\\{model="gpt-image-2",key="${key}"\\} 0\\.1`));
    expect(metrics).toContain('easel_budget_usd_per_day 50\neasel_budget_usd_per_day{key="blog"} 10\n');
  });
});

async function finished(easel: Easel, mediaId: string): Promise<void> {
  const image = await easel.services.images.waitUntilFinished(mediaId, 600_000, new AbortController().signal);
  expect(image?.status).toBe('succeeded');
}
