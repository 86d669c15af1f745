import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { startEasel } from './support/app/easel.ts';
import { startProcess, startService } from './support/app/process.ts';
import { signingIdentity } from './support/credentials.ts';
import { picture } from './support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from './support/openai/server.ts';
import { texturedPicture } from './support/pictures.ts';
import { temporaryFolder } from './support/temporary-folder.ts';
import { eventually, until } from './support/until.ts';
import { readDatabase } from './torture/audit.ts';
import { post } from './torture/life.ts';

/** Settings for the stand-in model API and small pictures. */
function settings({ key, baseUrl }: OpenAiServer): Record<string, string> {
  return {
    OPENAI_API_KEY: key ?? '',
    OPENAI_BASE_URL: baseUrl,
    IMAGE_SIZE: '1024x640',
    IMAGE_RENDITIONS: '64x40.png',
  };
}

/** Runs `easel keys create`; returns the secret and the line for `API_KEYS` that it prints. */
async function createKey(folder: string): Promise<{ secret: string; line: string }> {
  const cli = fileURLToPath(new URL('../bin/easel.js', import.meta.url));
  await using run = startProcess({ folder, command: [process.execPath, cli, 'keys', 'create', 'blog', 'read'] });
  expect(await run.exited).toBe(0);
  return { secret: /^easel_\S+$/m.exec(run.stderr())?.[0] ?? '', line: run.stdout().trim() };
}

describe('npm start', () => {
  it('works without settings: logs its address, makes a placeholder picture, and exits with 0 after two signals', async () => {
    await using folder = await temporaryFolder();
    await using service = await startService({ folder: folder.path, command: ['npm', 'start', '--silent'] });
    const firstLine = JSON.parse(service.stdout().split('\n')[0] ?? '');
    expect(firstLine.msg).toMatch(/^Easel \S+ listens on http:\/\/127\.0\.0\.1:\d+$/);
    expect(firstLine).toMatchObject({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      address: new URL(service.url).host,
      anonymousAccess: true,
      providers: 'placeholder',
      pictures: join(folder.path, 'media'),
      records: join(folder.path, 'easel.db'),
    });

    const { status, body: record } = await post(service.url, { prompt: 'a lighthouse at dusk' });
    expect([status, record.provider]).toEqual([201, 'placeholder']);
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
  it('answers waiting calls with 202 when it is stopped, keeps what it pays for, and exits with 0', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const env = settings(upstream);
    const gate = upstream.gate();
    upstream.script(picture({ beforeHeaders: gate }));
    await using first = await startService({ folder: folder.path, env });
    const waiting = post(first.url, { mediaId: 'a', prompt: 'a lighthouse' });
    await gate.reached();
    first.child.kill('SIGTERM');
    const answer = await waiting;
    expect(answer.status).toBe(202);
    gate.open();
    expect(await first.exited).toBe(0);
    // Finished, or on a busy machine left to the next start.
    const kept = {
      mediaId: 'a',
      status: expect.stringMatching(/^(succeeded|processing)$/),
      attempts: [{ outcome: 'ok' }],
    };
    expect(readDatabase(folder.path).images).toMatchObject([kept]);
    expect(upstream.calls).toHaveLength(1);
  });

  it('leaves work that does not end within the grace time to the next start', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const env = { ...settings(upstream), SHUTDOWN_GRACE_SECONDS: '2' };
    upstream.script(picture({ beforeHeaders: 'forever' }));
    await using first = await startService({ folder: folder.path, env });
    expect((await post(first.url, { mediaId: 'a', prompt: 'a lighthouse' }, { prefer: 'respond-async' })).status).toBe(
      202,
    );
    await upstream.received(1);
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);

    await using second = await startService({ folder: folder.path, env });
    const { body: record } = await post(second.url, { mediaId: 'a', prompt: 'a lighthouse' });
    expect(record.status).toBe('succeeded');
    // The first call may have been billed, so its outcome is unknown; one more call was allowed.
    expect(record.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'ok']);
    expect(upstream.calls).toHaveLength(2);
  });

  it('does not start with a database or a port that is in use, and names it', async () => {
    await using folder = await temporaryFolder();
    await using other = await temporaryFolder();
    await using first = await startService({ folder: folder.path });
    const { port } = new URL(first.url);
    await using second = startProcess({ folder: folder.path });
    await using third = startProcess({ folder: other.path, env: { PORT: port } });
    expect([await second.exited, await third.exited]).toEqual([1, 1]);
    expect(second.stdout()).toMatch(/another Easel process .* using .*easel\.db/);
    expect(third.stdout()).toContain(`127.0.0.1:${port} is in use`);
  });

  it('ends with 78 and one sentence where HOST cannot be bound', async () => {
    await using folder = await temporaryFolder();
    const env = { HOST: 'nope.invalid', ALLOW_ANONYMOUS: 'true' };
    await using run = startProcess({ folder: folder.path, env });
    expect(await run.exited).toBe(78);
    expect(run.stderr()).toMatch(/HOST: there is no address for this name/);
    expect(run.stderr().trim().split('\n')).toHaveLength(2);
    expect(run.stdout()).not.toMatch(/"level":"(error|fatal)"|stack/);
  });

  it('says in one sentence that MEDIA_DIR or DATABASE_URL cannot be made', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'file');
    await writeFile(file, '');
    await using run = startProcess({ folder: folder.path, env: { MEDIA_DIR: file } });
    expect(await run.exited).toBe(1);
    expect(run.stdout()).toMatch(/"msg":"could not start: MEDIA_DIR: [^"]+"}\n$/);
    expect(run.stdout() + run.stderr()).not.toMatch(/stack|\bat .*\.ts:\d+/);
    await using upstream = await startOpenAiServer();
    for (const url of [`sqlite:${file}/easel.db`, `sqlite:${folder.path}`]) {
      const start = startEasel({ folder: folder.path, upstream, env: { DATABASE_URL: url } });
      await expect(start, url).rejects.toThrow(/^DATABASE_URL: [^"\n]+$/);
    }
  });

  it('names what is bound for all addresses, and a URL that works', async () => {
    await using folder = await temporaryFolder();
    await using service = await startService({
      folder: folder.path,
      env: { HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'true', CONCURENCY: '9' },
    });
    const { port } = new URL(service.url);
    const lines = service.stdout().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ address: `0.0.0.0:${port}`, url: `http://127.0.0.1:${port}` });
    expect((await fetch(`${service.url}/health/live`)).status).toBe(200);
    await until(() => service.stdout().includes('CONCURENCY is not a setting; is CONCURRENCY meant?'));
    expect(service.stdout().match(/listen/gi)).toHaveLength(1);
  });

  it('ends with 1 when it cannot resume its work, although it listens already', async () => {
    await using folder = await temporaryFolder();
    await using first = await startService({ folder: folder.path });
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    const database = new DatabaseSync(join(folder.path, 'easel.db'));
    // The look for unfinished images names its index, and fails without it.
    database.exec('DROP INDEX images_unfinished');
    database.close();

    await using second = startProcess({ folder: folder.path });
    expect(await second.exited).toBe(1);
    expect(second.stdout()).toContain('could not start');
  });

  it('refuses wrong settings with exit code 78, and lists them by name without a stack trace or a secret', async () => {
    await using folder = await temporaryFolder();
    const env = {
      PORT: 'x',
      HOST: '0.0.0.0',
      RETENTION: 'soon',
      API_KEYS: 'a:hunter2',
      PROVIDERS: 'openai',
      OPENAI_BASE_URL: 'http://user:hunter22@127.0.0.1/v1',
    };
    await using service = startProcess({ folder: folder.path, env });
    expect(await service.exited).toBe(78);
    expect(service.stderr()).toContain('OPENAI_BASE_URL: must hold no user and no password');
    for (const name of ['PORT', 'RETENTION', 'API_KEYS']) expect(service.stderr()).toContain(`${name}: `);
    expect(service.stderr() + service.stdout()).not.toMatch(/\bat .*\.ts:\d+|hunter2/);
  });

  it('refuses a certificate that C2PA does not allow with exit code 78, and says what C2PA requires', async () => {
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

  it('refuses a reference picture of a preset that is cut short with exit code 78, before it opens anything', async () => {
    await using folder = await temporaryFolder();
    const logo = await texturedPicture({ width: 256, height: 128 });
    await writeFile(join(folder.path, 'logo.png'), logo.subarray(0, logo.length / 2));
    const acme = { description: 'Acme.', size: '1024x640', references: [{ file: 'logo.png', use: 'the logo' }] };
    await writeFile(join(folder.path, 'presets.json'), JSON.stringify({ acme }));
    await using service = startProcess({ folder: folder.path, env: { PRESETS: 'presets.json' } });
    expect(await service.exited).toBe(78);
    expect(service.stderr()).toMatch(/^Easel did not start: .*\n +PRESETS: acme\.references\.0\.file: [^\n]+\n$/);
    expect(await readdir(folder.path)).not.toContain('easel.db');
  });

  it('runs scheduled cleanups, logs prompts if set, and uses the placeholder in production if PROVIDERS names it', async () => {
    await using folder = await temporaryFolder();
    const env = {
      NODE_ENV: 'production',
      PROVIDERS: 'placeholder',
      LOG_PROMPTS: 'true',
      RETENTION: '0s',
      CLEANUP_INTERVAL_SECONDS: '1',
    };
    await using service = await startService({ folder: folder.path, env });
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
    await post(service.url, { mediaId: 'x', prompt: 'a very open lighthouse', size: '64x64', renditions: [] });
    expect(service.stdout()).toContain('"prompt":"a very open lighthouse"');
    await eventually(async () => expect((await fetch(`${service.url}/images/x`)).status).toBe(404));
    await eventually(() => expect(service.stdout()).toContain('"msg":"cleanup"'));
  });

  it('reloads API_KEYS_FILE at SIGHUP, and accepts secrets that `easel keys create` made', async () => {
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
    await until(() => service.stdout().includes('API keys reloaded'));
    expect([await statusOf(first.secret), await statusOf(second.secret)]).toEqual([401, 200]);
    for (const { secret } of [first, second]) expect(service.stdout()).not.toContain(secret);
  });
});
