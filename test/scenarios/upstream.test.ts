import { afterEach, describe, expect, it } from 'vitest';
import { type Easel, type EaselOptions, startEasel } from '../support/app/easel.ts';
import { openRecords } from '../support/app/records.ts';
import {
  answer,
  type Behaviour,
  dropConnection,
  hang,
  openAiError,
  picture,
  rateLimitHeaders,
} from '../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const BACKUP_KEY = 'backup-key-0123456789';
const ONE_EACH = { RETRY_MAX_ATTEMPTS: '1' };

let opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.reverse()) await one[Symbol.asyncDispose]();
  opened = [];
});

/** A service with `openai` alone. */
async function alone(
  env: Readonly<Record<string, string>> = {},
  options: Pick<EaselOptions, 'folder' | 'skipMs'> = {},
): Promise<Easel> {
  const easel = await startEasel({ env, ...options });
  opened.push(easel);
  return easel;
}

/** A service with `openai` and, behind it, a compatible server named `backup`. */
async function withBackup(
  env: Readonly<Record<string, string>> = {},
  options: Pick<EaselOptions, 'folder'> = {},
): Promise<{ easel: Easel; backup: OpenAiServer }> {
  const backup = await startOpenAiServer({ key: BACKUP_KEY, strict: false });
  opened.push(backup);
  return { easel: await alone({ ...backupEnv(backup), ...env }, options), backup };
}

function backupEnv(backup: OpenAiServer): Readonly<Record<string, string>> {
  return {
    PROVIDERS: 'openai,backup',
    PROVIDER_BACKUP_BASE_URL: backup.baseUrl,
    PROVIDER_BACKUP_API_KEY: BACKUP_KEY,
    PROVIDER_BACKUP_MODEL: 'sdxl',
  };
}

/** The providers' part of `/health`. Not read from the route, whose time limit of 2 s for all checks passes at once on this clock. */
function health(easel: Easel) {
  return easel.services.checks.providers();
}

async function metric(easel: Easel, series: string): Promise<number> {
  const text = await (await easel.get('/metrics')).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length + 1),
  );
}

async function fail(easel: Easel, jobs: number): Promise<void> {
  for (let job = 0; job < jobs; job++) expect((await easel.post({ prompt: 'a lighthouse' })).status).toBe(502);
}

describe('a provider that is down', () => {
  it('is not called after five failed jobs: 503 at once, nothing accepted, health `error` until a probe succeeds', async () => {
    const easel = await alone(ONE_EACH, { skipMs: 0 });
    easel.upstream.always(openAiError('server_error'));
    await fail(easel, 4);
    expect(await health(easel)).toEqual({ status: 'ok', detail: 'openai ok' });
    await fail(easel, 1);
    expect(await health(easel)).toEqual({ status: 'error', detail: 'openai open (overloaded)' });
    expect(await metric(easel, 'easel_provider_breaker_state{provider="openai"}')).toBe(1);

    const refused = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect([refused.status, refused.body.code]).toEqual([503, 'provider_unavailable']);
    expect(refused.body.detail).toBe('no provider works at the moment (openai); nothing was sent or paid');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(5);
    expect((await easel.get('/images/x')).status).toBe(404);
    expect(easel.upstream.calls).toHaveLength(5);

    easel.clock.advance(5000);
    const probe = easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    await easel.upstream.ended(6);
    await expect.poll(async () => (await easel.record('x')).attempts[0]?.outcome).toBe('failed');
    expect((await easel.post({ prompt: 'a lighthouse' })).status).toBe(503);
    easel.upstream.always(picture());
    await expect.poll(() => easel.clock.sleepers).toBeGreaterThan(0);
    easel.clock.advance(9000);
    expect((await easel.post({ prompt: 'a lighthouse' })).status).toBe(503);
    easel.clock.advance(1000);
    expect((await probe).status).toBe(201);
    expect(easel.upstream.calls).toHaveLength(7);
    expect(await health(easel)).toEqual({ status: 'ok', detail: 'openai ok' });
    expect(await metric(easel, 'easel_provider_breaker_state{provider="openai"}')).toBe(0);
  });

  it('is probed with one call, however many attempts a job has', async () => {
    const easel = await alone({}, { skipMs: 0 });
    easel.upstream.always(openAiError('invalid_api_key'));
    await fail(easel, 1);
    easel.clock.advance(5000);
    easel.upstream.always(openAiError('server_error'));
    await easel.post({ mediaId: 'x', prompt: 'a lighthouse' }, { prefer: 'respond-async' });
    await easel.upstream.ended(2);
    await expect.poll(async () => (await easel.record('x')).attempts[0]?.outcome).toBe('failed');
    easel.clock.advance(9000);
    await easel.get('/health/live');
    expect(easel.upstream.calls).toHaveLength(2);
    expect((await easel.record('x')).status).toBe('generating');
  });

  it.each([
    ['a refused prompt', openAiError('moderation_blocked'), 422],
    ['a wrong request', openAiError('model_not_found'), 502],
    ['a blank picture', picture({ content: 'blank' }), 502],
  ])('is not assumed after %s', async (_, behaviour, status) => {
    const easel = await alone();
    easel.upstream.always(behaviour);
    for (let job = 0; job < 6; job++) expect((await easel.post({ prompt: 'a lighthouse' })).status).toBe(status);
    expect((await health(easel)).status).toBe('ok');
  });

  it('is assumed after one account fault, which also counts in a metric', async () => {
    const easel = await alone();
    easel.upstream.always(openAiError('insufficient_quota'));
    await fail(easel, 1);
    expect(await health(easel)).toEqual({ status: 'error', detail: 'openai open (account)' });
    expect(await metric(easel, 'easel_provider_account_faults_total{provider="openai"}')).toBe(1);
  });

  it('does not affect repeated requests for a finished image', async () => {
    const easel = await alone();
    expect((await easel.post({ mediaId: 'there', prompt: 'a lighthouse' })).status).toBe(201);
    easel.upstream.script(openAiError('insufficient_quota'));
    await fail(easel, 1);
    expect((await easel.post({ mediaId: 'there', prompt: 'a lighthouse' })).status).toBe(200);
  });

  it('gets at most 15 calls and the probes in five minutes of failure', async () => {
    const easel = await alone({}, { skipMs: 0 });
    easel.upstream.always(openAiError('server_error'));
    const began = easel.clock.now();
    let jobs = 0;
    let refused = 0;
    for (; easel.clock.now() < began + 300_000; jobs++) {
      const { status } = await easel.post({ prompt: 'a lighthouse' }, { prefer: 'respond-async' });
      if (status === 503) refused += 1;
      easel.clock.advance(1000);
    }
    const probes = 12;
    expect(jobs).toBeGreaterThan(200);
    expect(refused).toBeGreaterThan(200);
    // The first calls of the jobs that hold the four slots, the ten retries that are free within a minute, and one job more.
    expect(easel.upstream.calls.length).toBeLessThanOrEqual(5 + 10 + probes);
    expect(easel.upstream.calls.length).toBeGreaterThan(5 + probes / 2);
  });
});

describe('the next provider', () => {
  it.each([
    ['an outage', openAiError('server_error'), ['openai', 'openai', 'openai', 'openai', 'backup']],
    ['an account fault', openAiError('insufficient_quota'), ['openai', 'backup']],
    ['a broken connection, once', dropConnection('close'), ['openai', 'openai'], 'provider_failed'],
    ['a refused prompt', openAiError('moderation_blocked'), ['openai'], 'prompt_rejected'],
    ['a wrong request', openAiError('model_not_found'), ['openai'], 'provider_failed'],
  ] as const)('after %s', async (_, behaviour: Behaviour, asked, code?: string) => {
    const { easel, backup } = await withBackup();
    easel.upstream.always(behaviour);
    const { status } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse', quality: 'high' });
    const record = await easel.record('x');
    expect(record.attempts.map(({ provider }) => provider)).toEqual(asked);
    expect(record.error?.code).toBe(code);
    expect(status === 201).toBe(code === undefined);
    expect(backup.calls).toHaveLength(code === undefined ? 1 : 0);
  });

  it('is named in the record, with its model, its size and a warning', async () => {
    const { easel, backup } = await withBackup({ PROVIDER_BACKUP_MODEL: 'dall-e-3' });
    easel.upstream.always(openAiError('insufficient_quota'));
    const { status, body } = await easel.post({ prompt: 'a lighthouse', size: '1600x900', style: 'vivid' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ provider: 'backup', model: 'dall-e-3', requestedSize: '1792x1024', width: 1600 });
    expect(body.prompt).not.toContain('hyper-real');
    expect(body.warnings).toEqual([
      {
        code: 'provider_fallback',
        detail: 'openai could not make the picture; backup was asked instead',
      },
    ]);
    expect(backup.calls[0]?.body).toMatchObject({ model: 'dall-e-3', size: '1792x1024', style: 'vivid' });
    expect(backup.calls[0]?.headers.authorization).toBe(`Bearer ${BACKUP_KEY}`);
    expect(
      await metric(easel, 'easel_images_total{status="succeeded",provider="backup",model="dall-e-3",code=""}'),
    ).toBe(1);
  });

  it('is called at once while the first is down, and health is only degraded', async () => {
    const { easel, backup } = await withBackup();
    easel.upstream.always(openAiError('insufficient_quota'));
    await easel.post({ prompt: 'a lighthouse' });
    expect((await easel.post({ prompt: 'a lighthouse' })).body.provider).toBe('backup');
    expect([easel.upstream.calls.length, backup.calls.length]).toEqual([1, 2]);
    expect(await health(easel)).toEqual({
      status: 'degraded',
      detail: 'openai open (account), backup ok',
    });
  });

  it('does not help when it is down as well: 503, health `error`', async () => {
    const { easel, backup } = await withBackup();
    easel.upstream.always(openAiError('insufficient_quota'));
    backup.always(openAiError('invalid_api_key'));
    await fail(easel, 1);
    expect((await easel.post({ prompt: 'a lighthouse' })).status).toBe(503);
    expect(await health(easel)).toMatchObject({
      status: 'error',
      detail: 'openai open (account), backup open (account)',
    });
  });

  it('shares the limit of calls with unknown outcome with the first', async () => {
    const { easel, backup } = await withBackup({ RETRY_MAX_ATTEMPTS: '1', AMBIGUOUS_RETRIES: '1' });
    easel.upstream.always(dropConnection('close'));
    backup.always(dropConnection('close'));
    await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect((await easel.record('x')).attempts.map(({ provider, outcome }) => [provider, outcome])).toEqual([
      ['openai', 'unknown'],
      ['backup', 'unknown'],
    ]);
  });

  it('is not called where the request names a provider, or a model that the next one does not have', async () => {
    const { easel, backup } = await withBackup();
    easel.upstream.always(openAiError('insufficient_quota'));
    expect((await easel.post({ prompt: 'a lighthouse', provider: 'openai' })).status).toBe(502);
    const pinned = await easel.post({ prompt: 'a lighthouse', provider: 'openai' });
    expect([pinned.status, pinned.body.code]).toEqual([503, 'provider_unavailable']);
    expect((await easel.post({ prompt: 'a lighthouse', model: 'gpt-image-2.5-flare' })).status).toBe(503);
    expect(backup.calls).toHaveLength(0);
    expect((await easel.post({ prompt: 'a lighthouse', provider: 'backup' })).body.provider).toBe('backup');
    const unknown = await easel.post({ prompt: 'a lighthouse', provider: 'unheard-of' });
    expect([unknown.status, unknown.body.errors]).toEqual([
      400,
      [{ path: 'provider', message: 'one of openai, backup' }],
    ]);
  });

  it('can be the placeholder, which the record names', async () => {
    const easel = await alone({ PROVIDERS: 'openai,placeholder' });
    easel.upstream.always(openAiError('insufficient_quota'));
    const { body } = await easel.post({ prompt: 'a lighthouse' });
    expect(body).toMatchObject({ status: 'succeeded', provider: 'placeholder', model: 'placeholder' });
    expect(body.warnings.map(({ code }) => code)).toContain('provider_fallback');
  });

  it('can be Azure, and never gets the key of another provider', async () => {
    const azure = await startOpenAiServer({ key: 'f00dcafe0123' });
    opened.push(azure);
    const easel = await alone({
      PROVIDERS: 'openai,azure-eu',
      PROVIDER_AZURE_EU_BASE_URL: azure.origin,
      PROVIDER_AZURE_EU_API_KEY: 'f00dcafe0123',
    });
    easel.upstream.always(openAiError('insufficient_quota'));
    expect((await easel.post({ prompt: 'a lighthouse' })).body.provider).toBe('azure-eu');
    expect(azure.calls[0]?.path).toContain('/openai/deployments/gpt-image-2/images/generations?api-version=');
    expect(JSON.stringify(azure.calls[0]?.headers)).not.toContain(easel.upstream.key);
  });
});

describe('a picture of the next provider that was left unfinished', () => {
  it.each([
    ['its original is known, and no provider can be called', {}, true],
    ['the process died before its arrival was written down', { original: null }, false],
  ])('is finished with its own provider and model when %s', async (_, loss, allDown) => {
    await using folder = await temporaryFolder();
    const { easel: first, backup } = await withBackup({}, { folder: folder.path });
    first.upstream.always(openAiError('insufficient_quota'));
    const made = (await first.post({ mediaId: 'x', prompt: 'a lighthouse' })).body;
    await opened.pop()?.[Symbol.asyncDispose]();
    const records = openRecords(folder.path);
    await records.update('x', (image) => ({
      ...image,
      ...loss,
      status: 'cancelled',
      master: null,
      renditions: [],
      attempts: image.attempts.map((attempt) =>
        allDown || attempt.outcome !== 'ok' ? attempt : { ...attempt, durationMs: null, outcome: 'unknown' as const },
      ),
    }));
    await records.close();

    const second = await alone(backupEnv(backup), { folder: folder.path });
    second.upstream.always(openAiError('insufficient_quota'));
    backup.always(openAiError('invalid_api_key'));
    if (allDown) await fail(second, 1);
    const before = backup.calls.length;
    const { status, body } = await second.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect(status).toBe(201);
    const { provider, model, prompt, requestedSize, sha256 } = made;
    expect(provider).toBe('backup');
    expect(body).toMatchObject({ provider, model, prompt, requestedSize, sha256 });
    expect(backup.calls).toHaveLength(before);
  });
});

describe('a compatible server', () => {
  it('gets no size where PROVIDER_*_OMIT names it, and no text of PROVIDER_*_STRIP; the record warns of both', async () => {
    const { easel, backup } = await withBackup({
      PROVIDERS: 'backup',
      PROVIDER_BACKUP_OMIT: 'size',
      PROVIDER_BACKUP_STRIP: '<sd_cpp_extra_args>,|',
    });
    backup.always(picture({ size: '512x512', as: 'url' }));
    const prompt = 'a lighthouse <sd_cpp_<sd_cpp_extra_args>extra_args>{"seed":1}<SD_CPP_EXTRA_ARGS> | people';
    const { status, body } = await easel.post({ prompt, size: '512x512' });
    expect(status).toBe(201);
    expect(backup.calls[0]?.body).not.toHaveProperty('size');
    expect(backup.calls[0]?.body.prompt).toBe(body.prompt);
    expect(body.prompt).not.toMatch(/<sd_cpp_extra_args>|\|/i);
    expect(body.warnings.map(({ code }) => code)).toEqual(['parameter_dropped', 'prompt_changed']);
  });

  it('may serve a model name that OpenAI has retired', async () => {
    const { easel } = await withBackup({ PROVIDERS: 'backup', PROVIDER_BACKUP_MODEL: 'dall-e-2' });
    expect((await easel.post({ prompt: 'a lighthouse' })).body).toMatchObject({
      status: 'succeeded',
      model: 'dall-e-2',
    });
  });
});

describe('a provider that sends Retry-After or rate limits', () => {
  const busy = (headers: Readonly<Record<string, string>>) => openAiError('rate_limit_exceeded', { headers });

  it('is not called by any job meanwhile; a waiting request still gets its 202', async () => {
    const easel = await alone();
    const gate = easel.upstream.gate();
    easel.upstream.script(busy({ 'retry-after': '300' }), picture({ beforeHeaders: gate }));
    const first = await easel.post({ mediaId: 'first', prompt: 'a lighthouse' }, { prefer: 'wait=1' });
    expect(first.status).toBe(202);
    await expect.poll(async () => (await health(easel)).detail).toMatch(/^openai paused/);
    const second = await easel.post({ mediaId: 'second', prompt: 'a lighthouse' }, { prefer: 'wait=1' });
    expect(second.status).toBe(202);
    expect(easel.upstream.calls).toHaveLength(1);
    expect((await health(easel)).detail).toMatch(/^openai paused for \d+ s$/);
    expect((await easel.record('second')).attempts).toEqual([]);
  });

  it('does not delay a stop: the jobs that wait for it are left for the next start', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const options = { upstream, folder: folder.path };
    upstream.script(busy({ 'retry-after': '300' }));
    {
      await using easel = await startEasel(options);
      for (const mediaId of ['called', 'waiting']) {
        await easel.post({ mediaId, prompt: 'a lighthouse' }, { prefer: 'wait=1' });
        await expect.poll(async () => (await health(easel)).detail).toMatch(/^openai paused/);
      }
      await easel.services.stop({ graceMs: 3_600_000 });
    }
    expect(upstream.calls).toHaveLength(1);
    await using easel = await startEasel(options);
    for (const [mediaId, outcomes] of [
      ['called', ['failed', 'ok']],
      ['waiting', ['ok']],
    ] as const) {
      await expect.poll(async () => (await easel.record(mediaId)).status).toBe('succeeded');
      expect((await easel.record(mediaId)).attempts.map(({ outcome }) => outcome)).toEqual(outcomes);
    }
  });

  it('does not count as down, and costs the other jobs no attempt', async () => {
    const easel = await alone({ CONCURRENCY: '8' });
    easel.upstream.script(busy({ 'retry-after': '7' }));
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((mediaId) => easel.post({ mediaId, prompt: 'a lighthouse' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(201));
    expect(easel.upstream.calls).toHaveLength(7);
    expect((await health(easel)).detail).toBe('openai ok');
  });

  it('is replaced by the next provider when the wait would pass the deadline of the job', async () => {
    const { easel } = await withBackup();
    easel.upstream.always(busy({ 'retry-after': '99999999999' }));
    const { body } = await easel.post({ prompt: 'a lighthouse' });
    expect(body.attempts.map(({ provider }) => provider)).toEqual(['openai', 'backup']);
    expect(easel.clock.slept).toEqual([]);
  });

  it('is paused by the rate limit headers of a picture, before it has to refuse a call', async () => {
    const easel = await alone();
    const spent = rateLimitHeaders({ of: 'images', limit: 5, remaining: 0, resetMs: 12_000 });
    easel.upstream.script(picture({ headers: spent }));
    await easel.post({ prompt: 'a lighthouse' });
    expect((await health(easel)).detail).toMatch(/^openai paused for 1\d s$/);
    expect((await easel.post({ prompt: 'a lighthouse' })).status).toBe(201);
    expect(easel.clock.slept.at(-1)).toBeGreaterThan(10_000);
  });

  it.each([
    ['PROVIDER_OPENAI_CONCURRENCY', '2', 2],
    ['CONCURRENCY', '3', 3],
  ])('gets no more concurrent calls than allowed when %s is %s', async (name, value, most) => {
    const easel = await alone({ CONCURRENCY: '4', [name]: value });
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));
    const jobs = Array.from({ length: 5 }, () => easel.post({ prompt: 'a lighthouse' }));
    await easel.upstream.received(most);
    await easel.get('/health');
    expect(easel.upstream.calls).toHaveLength(most);
    gate.open();
    expect((await Promise.all(jobs)).map(({ status }) => status)).toEqual(Array(5).fill(201));
  });
});

it('no provider key is in any answer, record, health report or log', async () => {
  const { easel, backup } = await withBackup();
  const keys = [easel.upstream.key ?? '', BACKUP_KEY];
  const quoting = (key: string) => openAiError('invalid_api_key', { message: `Incorrect API key provided: ${key}.` });
  easel.upstream.always(quoting(keys[0] ?? ''));
  backup.always(answer({ status: 401, json: { detail: `who is ${BACKUP_KEY}?` } }));
  const { body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
  const report = await (await easel.get('/health')).text();
  for (const text of [JSON.stringify(body), JSON.stringify(await easel.record('x')), report, easel.log.join('')]) {
    for (const key of keys) expect(text).not.toContain(key);
  }
  expect(body.detail).toContain('who is [secret]?');
});

it('calls that are cancelled while they hang do not open the circuit breaker', async () => {
  const easel = await alone();
  easel.upstream.always(hang());
  for (let job = 0; job < 6; job++) {
    const mediaId = `job-${job}`;
    await easel.post({ mediaId, prompt: 'a lighthouse' }, { prefer: 'respond-async' });
    await easel.upstream.received(job + 1);
    await fetch(`${easel.url}/images/${mediaId}`, { method: 'DELETE' });
  }
  await easel.upstream.abandoned(6);
  expect((await health(easel)).detail).toBe('openai ok');
});
