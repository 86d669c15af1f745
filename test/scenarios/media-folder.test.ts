import { cp, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callEasel } from '../cli/call-easel.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { startProcess } from '../support/app/process.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { filesOnDisk } from '../torture/audit.ts';
import { post, startLife } from '../torture/life.ts';

const IDS = ['a', 'b'];

/** A folder in which a service has made three pictures and was stopped. */
async function withPictures(folder: string, upstream: OpenAiServer): Promise<readonly string[]> {
  {
    await using easel = await startHere(folder, upstream);
    for (const mediaId of IDS) expect((await easel.post({ mediaId, prompt: mediaId })).status).toBe(201);
  }
  return filesOnDisk(folder);
}

/** A service in the process of the test, set as `startLife` sets its process. */
function startHere(folder: string, upstream: OpenAiServer, env: Readonly<Record<string, string>> = {}): Promise<Easel> {
  upstream.strict = false;
  const small = { IMAGE_MODEL: 'small', IMAGE_SIZE: '128x128', IMAGE_RENDITIONS: '64x64.webp,32x32.png' };
  return startEasel({ folder, upstream, env: { ...small, ...env } });
}

/** Makes every picture two hours old. */
async function age(folder: string): Promise<void> {
  const time = Date.now() / 1000 - 7200;
  for (const name of filesOnDisk(folder)) await utimes(join(folder, 'media', name), time, time);
}

const moveDatabase = async (folder: string, to: string) => {
  for (const name of (await readdir(folder)).filter((one) => one.startsWith('easel.db'))) {
    await rename(join(folder, name), join(to, name));
  }
};

/** Starts a service that must not start; returns how it ended. */
async function refused(folder: string, env: Readonly<Record<string, string>>) {
  await using life = startProcess({ folder, env });
  return { code: await life.exited, stderr: life.stderr(), stdout: life.stdout() };
}

describe('a folder of pictures whose database is lost', () => {
  it('ends the start with 78 and one sentence, and no picture is touched, until it is adopted', async () => {
    await using folder = await temporaryFolder();
    await using away = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const files = await withPictures(folder.path, upstream);
    expect(files).toHaveLength(IDS.length * 5);
    await age(folder.path);
    await moveDatabase(folder.path, away.path);

    const { code, stderr } = await refused(folder.path, { CLEANUP_INTERVAL_SECONDS: '1' });
    expect([code, stderr.trim().split('\n').length]).toEqual([78, 1]);
    expect(stderr).toContain('holds the pictures of another database');
    expect(stderr).toContain('ADOPT_MEDIA=true');
    expect(await callEasel(folder.path, ['cleanup'])).toMatchObject({ code: 78 });
    expect(filesOnDisk(folder.path)).toEqual(files);

    // With the first database back it starts as if nothing had happened.
    await rm(join(folder.path, 'easel.db'), { force: true });
    for (const name of await readdir(folder.path)) if (name.startsWith('easel.db')) await rm(join(folder.path, name));
    await moveDatabase(away.path, folder.path);
    {
      await using easel = await startHere(folder.path, upstream);
      expect((await easel.get('/media/a.png')).status).toBe(200);
    }

    await moveDatabase(folder.path, away.path);
    const mark = await readFile(join(folder.path, 'media', '.easel'), 'utf8');
    {
      await using life = await startLife({ folder: folder.path, upstream, env: { ADOPT_MEDIA: 'true' } });
      expect(life.stdout()).toContain('it is taken over');
      const report = await (await fetch(`${life.url}/cleanup`, { method: 'POST' })).json();
      expect(report).toMatchObject({ orphansRemoved: IDS.length * 4 });
      expect(filesOnDisk(folder.path)).toEqual(files.filter((name) => name.startsWith('originals/')));
      life.child.kill('SIGTERM');
      await life.exited;
    }
    expect(await readFile(join(folder.path, 'media', '.easel'), 'utf8')).not.toBe(mark);
    await using again = await startHere(folder.path, upstream);
    expect((await again.get('/health/live')).status).toBe(200);
  });
});

describe('a folder without a mark', () => {
  it('is marked by the database that knows its pictures, as after an upgrade, and refused to any other', async () => {
    await using folder = await temporaryFolder();
    await using other = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const files = await withPictures(folder.path, upstream);
    const mark = join(folder.path, 'media', '.easel');
    const id = await readFile(mark, 'utf8');
    await rm(mark);

    const { code, stderr } = await refused(other.path, { MEDIA_DIR: join(folder.path, 'media') });
    expect(code).toBe(78);
    expect(stderr).toMatch(/holds pictures that this database does not know, such as \S+; correct/);
    expect(filesOnDisk(folder.path)).toEqual(files);
    expect(await readdir(join(folder.path, 'media'))).not.toContain('.easel');

    await rm(join(folder.path, 'media', 'a.png'));
    await writeFile(join(folder.path, 'media', 'unknown.png'), 'unknown');
    await using easel = await startHere(folder.path, upstream);
    expect((await easel.get('/media/b.png')).status).toBe(200);
    expect(await readFile(mark, 'utf8')).toBe(id);
  });

  it('is marked at the first use when it has no picture of Easel, whatever else it has', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    await mkdir(join(folder.path, 'media', 'lost+found'), { recursive: true });
    for (const name of ['README', 'a..b.png', '.hidden']) await writeFile(join(folder.path, 'media', name), 'x');
    await using easel = await startHere(folder.path, upstream);
    expect((await easel.get('/health/live')).status).toBe(200);
    expect(await readFile(join(folder.path, 'media', '.easel'), 'utf8')).toMatch(/^[0-9a-f-]{36}\n$/);
  });
});

describe('a second service over the same folder', () => {
  it('ends with 1 and names MEDIA_DIR, even if it is told to adopt it, and starts when the first is gone', async () => {
    await using folder = await temporaryFolder();
    await using other = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const env = { MEDIA_DIR: join(folder.path, 'media'), ADOPT_MEDIA: 'true' };
    await using first = await startLife({ folder: folder.path, upstream });
    expect((await post(first.url, { mediaId: 'a', prompt: 'a' })).status).toBe(201);
    const second = await refused(other.path, env);
    expect(second.code).toBe(1);
    expect(second.stdout).toMatch(
      new RegExp(
        `another Easel process \\(pid ${first.child.pid} on [^)]+\\) is using the folder .*give this one another MEDIA_DIR`,
      ),
    );
    expect((await fetch(`${first.url}/media/a.png`)).status).toBe(200);
    first.child.kill('SIGKILL');
    await first.exited;
    await using third = await startHere(other.path, upstream, env);
    expect((await third.get('/health/live')).status).toBe(200);
  });
});

describe('a copy of database and folder', () => {
  it('starts like the first, as its mark is copied too', async () => {
    await using folder = await temporaryFolder();
    await using copy = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    await withPictures(folder.path, upstream);
    await cp(folder.path, copy.path, { recursive: true });
    await using easel = await startHere(copy.path, upstream);
    expect((await easel.get('/media/a.png')).status).toBe(200);
  });
});
