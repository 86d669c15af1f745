import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import type { ImageRecord } from '../src/images/image.ts';
import type { UsageReport } from '../src/images/usage.ts';
import { signingIdentity } from './support/credentials.ts';
import { openAiError, picture } from './support/openai-answers.ts';
import { startOpenAiServer } from './support/openai-server.ts';
import { startProcess, startService } from './support/process.ts';
import { temporaryFolder } from './support/temporary-folder.ts';

function create(url: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/images`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

/** What `easel keys create` prints. */
async function createKey(folder: string): Promise<{ secret: string; line: string }> {
  const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
  await using run = startProcess({ folder, command: [process.execPath, cli, 'keys', 'create', 'blog', 'read'] });
  expect(await run.exited).toBe(0);
  const [, secret = '', line = ''] = /(easel_\S+).*(blog:sha256-\S+:read)/s.exec(run.stdout()) ?? [];
  return { secret, line };
}

describe('npm start', () => {
  it('serves with nothing configured: says where it listens, paints a picture, and ends with 0 though the signal comes twice', async () => {
    await using folder = await temporaryFolder();
    await using service = await startService({ folder: folder.path, command: ['npm', 'start', '--silent'] });
    const firstLine = JSON.parse(service.stdout().split('\n')[0] ?? '');
    expect(firstLine.msg).toMatch(/^Easel \S+ listens on http:\/\/127\.0\.0\.1:\d+$/);

    const response = await create(service.url, { prompt: 'a lighthouse at dusk' });
    const record = (await response.json()) as ImageRecord;
    expect([response.status, record.provider]).toEqual([201, 'placeholder']);
    const media = await fetch(service.url + record.url);
    expect(await sharp(await media.arrayBuffer()).metadata()).toMatchObject({
      width: 1792,
      height: 1024,
      format: 'png',
    });

    service.child.kill('SIGINT');
    service.child.kill('SIGINT');
    expect(await service.exited).toBe(0);
    expect(service.stdout()).toContain('placeholders');
  });
});

describe('the process', () => {
  it('answers the waiting calls with 202 when it is stopped, lets running work end, and ends with 0', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const env = { OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl };
    const gate = upstream.gate();
    upstream.script(picture({ beforeHeaders: gate }));
    await using first = await startService({ folder: folder.path, env });
    const waiting = create(first.url, { mediaId: 'a', prompt: 'a lighthouse' });
    await gate.reached();
    first.child.kill('SIGTERM');
    const answer = await waiting;
    expect(answer.status).toBe(202);
    gate.open();
    expect(await first.exited).toBe(0);

    await using second = await startService({ folder: folder.path, env });
    const record = (await (await fetch(`${second.url}/images/a`)).json()) as ImageRecord;
    expect(record.status).toBe('succeeded');
    expect(upstream.calls).toHaveLength(1);
  });

  it('leaves what does not end within the grace time for the next start', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const env = { OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl, SHUTDOWN_GRACE_SECONDS: '2' };
    upstream.script(picture({ beforeHeaders: 'forever' }));
    await using first = await startService({ folder: folder.path, env });
    expect(
      (await create(first.url, { mediaId: 'a', prompt: 'a lighthouse' }, { prefer: 'respond-async' })).status,
    ).toBe(202);
    await upstream.received(1);
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);

    await using second = await startService({ folder: folder.path, env });
    const joined = await create(second.url, { mediaId: 'a', prompt: 'a lighthouse' });
    const record = (await joined.json()) as ImageRecord;
    expect(record.status).toBe('succeeded');
    // The first call may have been billed: the record says so, and one more was allowed.
    expect(record.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'ok']);
    expect(upstream.calls).toHaveLength(2);
  });

  it.each([
    ['no room for another', '0.03', 1, ['unknown'], 'failed'],
    ['room for another', '0.06', 2, ['unknown', 'ok'], 'succeeded'],
  ])(
    'killed during a call with %s: the call stays spent, and going on takes room of its own',
    async (_, budget, calls, outcomes, status) => {
      await using folder = await temporaryFolder();
      await using upstream = await startOpenAiServer();
      const env = {
        OPENAI_API_KEY: upstream.key ?? '',
        OPENAI_BASE_URL: upstream.baseUrl,
        BUDGET_USD_PER_DAY: budget,
        IMAGE_SIZE: '1024x1024',
        IMAGE_RENDITIONS: '64x64.png',
      };
      upstream.script(picture({ beforeHeaders: 'forever' }));
      upstream.always(picture({ usage: null }));
      await using first = await startService({ folder: folder.path, env });
      await create(first.url, { mediaId: 'a', prompt: 'a lighthouse' }, { prefer: 'respond-async' });
      await upstream.received(1);
      first.child.kill('SIGKILL');
      await first.exited;

      await using second = await startService({ folder: folder.path, env });
      const ended = await vi.waitFor(async () => {
        const record = (await (await fetch(`${second.url}/images/a`)).json()) as ImageRecord;
        expect(record.status).toBe(status);
        return record;
      });
      expect(ended.attempts.map(({ outcome }) => outcome)).toEqual(outcomes);
      expect(ended.cost).toEqual({ usd: Math.round(calls * 27_080) / 1e6, basis: 'estimate' });
      expect(upstream.calls).toHaveLength(calls);
      const usage = (await (await fetch(`${second.url}/usage`)).json()) as UsageReport;
      expect(usage.budget).toMatchObject({ spent: ended.cost.usd, reserved: 0 });
      if (status === 'failed') expect(ended.error?.code).toBe('budget_exhausted');
    },
  );

  it('does not start on a database that another process uses, and says so', async () => {
    await using folder = await temporaryFolder();
    await using _first = await startService({ folder: folder.path });
    await using second = startProcess({ folder: folder.path });
    expect(await second.exited).toBe(1);
    expect(second.stdout()).toMatch(/another Easel process .* using .*easel\.db/);
  });

  it('does not start on a port that is taken, and says which', async () => {
    await using folder = await temporaryFolder();
    await using other = await temporaryFolder();
    await using first = await startService({ folder: folder.path });
    const { port } = new URL(first.url);
    await using second = startProcess({ folder: other.path, env: { PORT: port } });
    expect(await second.exited).toBe(1);
    expect(second.stdout()).toContain(`127.0.0.1:${port} is in use`);
  });

  it.each([
    ['bad values', { PORT: 'x', IMAGE_SIZE: '9x9', RETENTION: 'soon' }, ['PORT:', 'IMAGE_SIZE:', 'RETENTION:']],
    ['an open door', { HOST: '0.0.0.0' }, ['HOST:', 'API_KEYS', 'ALLOW_ANONYMOUS']],
    [
      'broken keys',
      { API_KEYS: 'a:hunter2, b:hunter2:write', API_KEYS_FILE: '/nowhere' },
      ['API_KEYS: entry 1:', 'API_KEYS: entry 2:'],
    ],
    ['a provider without its key', { PROVIDERS: 'openai' }, ['OPENAI_API_KEY:']],
    ['production on the placeholder', { NODE_ENV: 'production' }, ['PROVIDERS=placeholder']],
  ])('refuses %s with exit code 78 and one readable list', async (_, env, words) => {
    await using folder = await temporaryFolder();
    await using service = startProcess({ folder: folder.path, env });
    expect(await service.exited).toBe(78);
    for (const word of words) expect(service.stderr()).toContain(word);
    expect(service.stderr()).not.toMatch(/\bat .*\.ts:\d+|hunter2/);
  });

  it('refuses a certificate that C2PA does not allow with exit code 78, and says what it needs', async () => {
    await using folder = await temporaryFolder();
    const { certificatePem, keyPem } = await signingIdentity({ usages: [] });
    await writeFile(join(folder.path, 'cert.pem'), certificatePem);
    await writeFile(join(folder.path, 'key.pem'), keyPem);
    const env = { C2PA_CERT: 'cert.pem', C2PA_KEY: 'key.pem' };
    await using service = startProcess({ folder: folder.path, env });
    expect(await service.exited).toBe(78);
    expect(service.stderr()).toMatch(/C2PA_CERT: .*emailProtection or documentSigning/);
    expect(service.stderr() + service.stdout()).not.toContain(keyPem.split('\n')[1]);
  });

  it('starts in production on the placeholder when that is said', async () => {
    await using folder = await temporaryFolder();
    await using service = await startService({
      folder: folder.path,
      env: { NODE_ENV: 'production', PROVIDERS: 'placeholder' },
    });
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
  });

  it('logs prompts when told to', async () => {
    await using folder = await temporaryFolder();
    await using service = await startService({ folder: folder.path, env: { LOG_PROMPTS: 'true' } });
    await create(service.url, { prompt: 'a very open lighthouse', size: '64x64', renditions: [] });
    expect(service.stdout()).toContain('"prompt":"a very open lighthouse"');
  });

  it('cleans up by itself', async () => {
    await using folder = await temporaryFolder();
    const env = { RETENTION: '0s', CLEANUP_INTERVAL_SECONDS: '1' };
    await using service = await startService({ folder: folder.path, env });
    await create(service.url, { mediaId: 'x', prompt: 'a lighthouse', size: '64x64', renditions: [] });
    await vi.waitFor(async () => expect((await fetch(`${service.url}/images/x`)).status).toBe(404), { timeout: 5000 });
    await vi.waitFor(() => expect(service.stdout()).toContain('"msg":"cleanup"'));
  });

  it('reads its file of keys again at SIGHUP and goes on, its secrets made by the command line', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'keys');
    const [first, second] = [await createKey(folder.path), await createKey(folder.path)];
    await writeFile(file, first.line);
    await using service = await startService({ folder: folder.path, env: { API_KEYS_FILE: file } });
    const statusOf = async (secret: string) =>
      (await fetch(`${service.url}/images`, { headers: { 'x-api-key': secret } })).status;
    expect([await statusOf(first.secret), await statusOf(second.secret)]).toEqual([200, 401]);
    await writeFile(file, second.line);
    service.child.kill('SIGHUP');
    await vi.waitUntil(() => service.stdout().includes('read again'));
    expect([await statusOf(first.secret), await statusOf(second.secret)]).toEqual([401, 200]);
    for (const { secret } of [first, second]) expect(service.stdout()).not.toContain(secret);
  });

  it('logs a line per request and per image, and no prompt', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    upstream.script(openAiError('moderation_blocked'));
    await using service = await startService({
      folder: folder.path,
      env: { OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl },
    });
    await create(
      service.url,
      { mediaId: 'x', prompt: 'a very secret lighthouse' },
      { authorization: 'Bearer my-own-key' },
    );
    await create(service.url, { mediaId: 'y', prompt: 'a very secret lighthouse' });
    service.child.kill('SIGTERM');
    await service.exited;
    const lines = service
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ msg }) => msg === 'request').map(({ method, status }) => [method, status])).toEqual([
      ['POST', 422],
      ['POST', 201],
    ]);
    expect(lines.filter(({ msg }) => msg === 'image succeeded')).toMatchObject([
      { mediaId: 'y', attempts: 1, durationMs: expect.any(Number) },
    ]);
    expect(lines.filter(({ msg }) => msg === 'image failed')).toMatchObject([
      { mediaId: 'x', code: 'prompt_rejected' },
    ]);
    for (const secret of ['secret lighthouse', 'my-own-key', upstream.key ?? ''])
      expect(service.stdout()).not.toContain(secret);
  });
});
