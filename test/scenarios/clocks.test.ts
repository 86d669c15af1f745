import { writeFile } from 'node:fs/promises';
import { expect, it, test } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { startService } from '../support/app/process.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { post } from '../torture/life.ts';

const HOUR_MS = 3_600_000;
const STEPS = [-HOUR_MS, 2 * HOUR_MS];
const prompt = 'a lighthouse';

const isWithin = (duration: number | null, most: number) => duration !== null && duration >= 0 && duration <= most;

/** The sums of the durations that the metrics have measured, in seconds. */
async function durations(url: string): Promise<number[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return [...text.matchAll(/^easel_\w+_seconds_sum\S* (\S+)$/gm)].map(([, sum]) => Number(sum));
}

test.each(STEPS)(
  'a clock that is set by %i ms during a call that ends with a 503 neither ends the retries nor counts',
  async (step) => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(openAiError('slow_down', { beforeHeaders: gate }), picture());
    const answer = easel.post({ mediaId: 'a', prompt });
    await gate.reached();
    easel.clock.step(step);
    gate.open();

    const { status, body } = await answer;
    expect([status, body.status, easel.upstream.calls.length]).toEqual([201, 'succeeded', 2]);
    for (const { durationMs } of body.attempts) expect(isWithin(durationMs, HOUR_MS / 2)).toBe(true);
    const sums = await durations(easel.url);
    expect(sums.length).toBeGreaterThan(3);
    for (const seconds of sums) expect(isWithin(seconds, HOUR_MS / 2000)).toBe(true);
  },
);

const urlOf = async (easel: Easel) => (await easel.record('a')).url ?? '';
const statusOf = async (easel: Easel, path: string) => (await easel.get(path)).status;

it('a signed URL goes by the time of day: set back it is valid, past its end it is not, and a new one is', async () => {
  await using easel = await startEasel({ env: { MEDIA_ACCESS: 'private' } });
  await easel.post({ mediaId: 'a', prompt });
  const url = await urlOf(easel);
  easel.clock.step(-HOUR_MS);
  expect(await statusOf(easel, url)).toBe(200);
  expect(await statusOf(easel, await urlOf(easel))).toBe(200);
  easel.clock.step(3 * HOUR_MS);
  expect(await statusOf(easel, url)).toBe(403);
  expect(await statusOf(easel, await urlOf(easel))).toBe(200);
});

it('a budget is of the UTC day that the clock shows, whichever way it is set', async () => {
  await using easel = await startEasel({ env: { BUDGET_USD_PER_DAY: '0.2' } });
  const statuses: number[] = [];
  const post = async () => statuses.push((await easel.post({ prompt })).status);
  await post();
  await post();
  easel.clock.step(24 * HOUR_MS);
  await post();
  await post();
  // Each day has been spent, and none anew.
  easel.clock.step(-24 * HOUR_MS);
  await post();
  expect(statuses).toEqual([201, 429, 201, 429, 429]);
});

test.each(STEPS)(
  'a process whose clock is set by %i ms during a call tries again, and measures what passed',
  async (step) => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const gate = upstream.gate();
    upstream.script(openAiError('slow_down', { beforeHeaders: gate }), picture());
    const shift = `${folder.path}/shift`;
    await using service = await startService({
      folder: folder.path,
      env: { OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl, CLOCK_SHIFT: shift },
      preload: new URL('../support/shifted-clock.ts', import.meta.url),
    });
    const answer = post(service.url, { prompt });
    await gate.reached();
    await writeFile(shift, String(step));
    gate.open();

    const { status, body } = await answer;
    expect(status).toBe(201);
    expect(body.attempts).toHaveLength(2);
    for (const { durationMs } of body.attempts) expect(isWithin(durationMs, HOUR_MS / 2)).toBe(true);
    for (const seconds of await durations(service.url)) expect(isWithin(seconds, HOUR_MS / 2000)).toBe(true);
  },
);
