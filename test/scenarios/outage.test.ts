import { afterEach, describe, expect, it } from 'vitest';
import { type Easel, type EaselOptions, startEasel } from '../support/app/easel.ts';
import { dropConnection, openAiError, picture } from '../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { eventually } from '../support/until.ts';

const STEP_MS = 500;
/** Of real time. */
const QUIET_MS = 200;
/** Small pictures: there are many of them. */
const SIZE = '256x160';
const SMALL = { IMAGE_SIZE: SIZE, IMAGE_RENDITIONS: '64x40.png' };
const made = picture({ size: SIZE });

let opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.reverse()) await one[Symbol.asyncDispose]();
  opened = [];
});

/** A service whose clock skips no wait: it goes on with real time, and when the test sets it forward. */
async function start(options: EaselOptions = {}): Promise<Easel> {
  const easel = await startEasel({ skipMs: 0, ...options, env: { ...SMALL, ...options.env } });
  opened.push(easel);
  return easel;
}

/** Sets the clock forward by `seconds`, in small steps with a little real time between them. */
async function pass(easel: Easel, seconds: number): Promise<void> {
  for (let step = 0; step < (seconds * 1000) / STEP_MS; step++) await passStep(easel);
}

async function passStep({ clock, upstream, get }: Easel): Promise<void> {
  clock.advance(STEP_MS);
  await get('/health/live');
  await upstream.until(() => upstream.calls.every(({ ending }) => ending !== 'open'));
}

/**
 * Waits until the images have these statuses, one for each or one for all. Lets time pass only where nothing has moved for `QUIET_MS`: a
 * busy machine then makes the test slow, and the service's clock is not far ahead of what the service does.
 */
async function reached(easel: Easel, mediaIds: readonly string[], wanted: string | readonly string[]): Promise<void> {
  const each = typeof wanted === 'string' ? mediaIds.map(() => wanted) : wanted;
  let moved = { state: '', at: performance.now() };
  await eventually(async () => {
    const now = await statuses(easel, mediaIds);
    const state = [...now, easel.upstream.calls.length].join();
    const isQuiet = state === moved.state && performance.now() - moved.at > QUIET_MS;
    if (isQuiet) await passStep(easel);
    if (isQuiet || state !== moved.state) moved = { state, at: performance.now() };
    expect(now).toEqual(each);
  });
}

async function accept(easel: Easel, mediaIds: readonly string[]): Promise<void> {
  for (const mediaId of mediaIds) {
    const { status } = await easel.post({ mediaId, prompt: `picture ${mediaId}` }, { prefer: 'respond-async' });
    expect(status).toBe(202);
  }
}

function namesOf(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

async function statuses(easel: Easel, mediaIds: readonly string[]): Promise<readonly string[]> {
  return await Promise.all(mediaIds.map(async (mediaId) => (await easel.record(mediaId)).status));
}

function unknownOf(attempts: readonly { readonly outcome: string }[]): number {
  return attempts.filter(({ outcome }) => outcome === 'unknown').length;
}

function failedCalls({ calls }: OpenAiServer): number {
  return calls.filter(({ behaviour }) => behaviour !== 'picture').length;
}

describe('accepted pictures and a provider that is down', () => {
  it.each([
    ['as many pictures at a time as by default', {}, 4],
    ['twenty pictures at a time', { CONCURRENCY: '20' }, 20],
  ])('for 12 s, and again within the minute: all are made, each paid once, with %s', async (_, env, slots) => {
    const easel = await start({ env });
    const { upstream, clock } = easel;
    const began = clock.now();
    // The first answers come when all pictures are accepted: otherwise the breaker would open before.
    let accepted = upstream.gate();
    let isUp = false;
    upstream.always(() => (isUp ? made : openAiError('server_error', { beforeHeaders: accepted })));

    const first = namesOf('first', 20);
    await accept(easel, first);
    accepted.open();
    await pass(easel, 12);
    const inFirstOutage = failedCalls(upstream);
    isUp = true;
    await reached(easel, first, 'succeeded');

    isUp = false;
    accepted = upstream.gate();
    const second = namesOf('second', 20);
    await accept(easel, second);
    accepted.open();
    await pass(easel, 12);
    expect(clock.now() - began).toBeLessThan(60_000);
    expect(await statuses(easel, second)).not.toContain('failed');
    const inSecondOutage = failedCalls(upstream) - inFirstOutage;
    isUp = true;
    await reached(easel, second, 'succeeded');

    // In each outage the first calls of the jobs that hold slots and two probes, and ten retries in the minute.
    expect(inFirstOutage).toBeLessThanOrEqual(slots + 10 + 2);
    expect(inFirstOutage + inSecondOutage).toBeLessThanOrEqual(2 * slots + 10 + 4);
    expect(upstream.calls.filter(({ behaviour }) => behaviour === 'picture')).toHaveLength(40);
    for (const mediaId of [...first, ...second]) {
      const { attempts } = await easel.record(mediaId);
      expect(attempts.filter(({ outcome }) => outcome !== 'failed').map(({ outcome }) => outcome)).toEqual(['ok']);
    }
  });

  it('one at a time: only the one that failed alone has failed', async () => {
    const easel = await start({ env: { CONCURRENCY: '1' } });
    const { upstream } = easel;
    upstream.always(openAiError('server_error'));
    const images = namesOf('one', 8);
    await accept(easel, images);
    await reached(easel, images, ['failed', 'generating', ...Array(6).fill('queued')]);
    await pass(easel, 10);
    expect(await statuses(easel, images)).toEqual(['failed', 'generating', ...Array(6).fill('queued')]);
    expect((await easel.record('one-0')).error?.code).toBe('provider_failed');
    expect(upstream.calls.length).toBeLessThanOrEqual(4 + 4 + 1);
    upstream.always(made);
    await reached(easel, images, ['failed', ...Array(7).fill('succeeded')]);
  });

  it('until the deadline: they fail `provider_unavailable`, while new requests get 503 at once', async () => {
    const easel = await start({ env: { RETRY_DEADLINE_SECONDS: '60' } });
    easel.upstream.always(openAiError('server_error'));
    const images = namesOf('late', 4);
    await accept(easel, images);
    await pass(easel, 55);
    expect(await statuses(easel, images)).toEqual(Array(4).fill('generating'));
    const refused = await easel.post({ mediaId: 'new', prompt: 'a lighthouse' });
    expect([refused.status, refused.body.code]).toEqual([503, 'provider_unavailable']);
    const waiting = easel.post({ mediaId: 'late-0', prompt: 'picture late-0' });
    await reached(easel, images, 'failed');
    for (const mediaId of images) expect((await easel.record(mediaId)).error?.code).toBe('provider_unavailable');
    const { status, headers } = await waiting;
    expect([status, Number(headers.get('retry-after')) > 0]).toEqual([503, true]);
    expect(easel.upstream.calls.length).toBeLessThanOrEqual(4 + 10 + 4);
  });

  it('are made by the provider that works first, and by the preferred one of two', async () => {
    const backup = await startOpenAiServer({ key: 'backup-key', strict: false });
    opened.push(backup);
    const easel = await start({
      env: {
        PROVIDERS: 'openai,backup',
        PROVIDER_BACKUP_BASE_URL: backup.baseUrl,
        PROVIDER_BACKUP_API_KEY: 'backup-key',
      },
    });
    easel.upstream.always(openAiError('server_error'));
    backup.always(openAiError('server_error'));
    const images = namesOf('x', 6);
    await accept(easel, images);
    await pass(easel, 8);
    backup.always(made);
    await reached(easel, images, 'succeeded');
    expect((await easel.record('x-0')).provider).toBe('backup');
    easel.upstream.always(made);
    await pass(easel, 30);
    await accept(easel, ['y']);
    await reached(easel, ['y'], 'succeeded');
    expect((await easel.record('y')).provider).toBe('openai');
  });

  it('for one call each are made by it, not by the next one, though the retry budget puts a retry off', async () => {
    const easel = await start({ env: { PROVIDERS: 'openai,placeholder', RETRY_BUDGET_PER_MINUTE: '1' } });
    const accepted = easel.upstream.gate();
    const fault = openAiError('server_error', { beforeHeaders: accepted });
    easel.upstream.always(made);
    easel.upstream.script(fault, fault);
    await accept(easel, ['a', 'b']);
    await accepted.reached();
    accepted.open();
    await reached(easel, ['a', 'b'], 'succeeded');
    for (const mediaId of ['a', 'b']) {
      const { provider, attempts } = await easel.record(mediaId);
      expect([provider, attempts.map(({ outcome }) => outcome)]).toEqual(['openai', ['failed', 'ok']]);
    }
  });

  it('are not called again while their outcome is unknown, however long the outage is', async () => {
    const easel = await start();
    easel.upstream.always(dropConnection('close'));
    const images = namesOf('broken', 6);
    await accept(easel, images);
    await pass(easel, 40);
    const records = async () => await Promise.all(images.map((mediaId) => easel.record(mediaId)));
    await eventually(async () => {
      const spent = (await records()).filter(({ attempts }) => unknownOf(attempts) === 2);
      expect(spent).not.toHaveLength(0);
      expect(spent.map(({ status }) => status)).toEqual(spent.map(() => 'failed'));
    });
    await pass(easel, 40);
    const calls = easel.upstream.calls.length;
    const attempts = (await records()).map((image) => image.attempts.length);
    expect(Math.max(...attempts)).toBe(2);
    expect(calls).toBeLessThanOrEqual(attempts.reduce((sum, count) => sum + count));
  });
});

describe('the wait for a provider that is down', () => {
  it('ends at a cancel, and frees the slot', async () => {
    const easel = await start({ env: { CONCURRENCY: '1' } });
    const accepted = easel.upstream.gate();
    easel.upstream.script(openAiError('insufficient_quota', { beforeHeaders: accepted }));
    await accept(easel, ['met-it', 'waiting', 'next']);
    accepted.open();
    await reached(easel, ['met-it', 'waiting', 'next'], ['failed', 'queued', 'queued']);
    expect((await easel.cancel('waiting')).body.status).toBe('cancelled');
    await reached(easel, ['met-it', 'waiting', 'next'], ['failed', 'cancelled', 'succeeded']);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('ends at a stop, and goes on after the next start with attempts of its own', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const accepted = upstream.gate();
    upstream.always(openAiError('server_error', { beforeHeaders: accepted }));
    const images = namesOf('kept', 3);
    {
      await using easel = await startEasel({ skipMs: 0, env: SMALL, upstream, folder: folder.path });
      await accept(easel, images);
      await upstream.received(images.length);
      accepted.open();
      await pass(easel, 8);
      expect(await statuses(easel, images)).toEqual(Array(3).fill('generating'));
      await easel.services.stop({ graceMs: 60_000 });
    }
    const before = upstream.calls.length;
    const easel = await start({ upstream, folder: folder.path });
    // All call before time passes: one that had spent its attempts by then would have failed alone.
    await upstream.received(before + images.length);
    await pass(easel, 8);
    expect(await statuses(easel, images)).not.toContain('failed');
    upstream.always(made);
    await reached(easel, images, 'succeeded');
  });
});
