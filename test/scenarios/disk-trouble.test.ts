import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { canMountTmpfs, mountTmpfs, type Tmpfs } from '../support/tmpfs.ts';
import { until } from '../support/until.ts';
import { auditServing, filesOnDisk, filesOnRecord, readDatabase } from '../torture/audit.ts';
import { getRecord, type LifeOptions, post, startLife } from '../torture/life.ts';

/** A disk fault that the test begins and ends. */
interface Trouble {
  begin(): Promise<void> | void;
  end(): Promise<void> | void;
  /** Options that the service must be started with to have this fault. */
  readonly options?: Partial<LifeOptions>;
}

/** Mounts a disk in memory as the folder of the pictures, or of the database. */
async function mountOn(folder: string, part: 'media' | 'database'): Promise<Tmpfs & AsyncDisposable> {
  // Room for several pictures.
  const disk = await mountTmpfs(join(folder, part), part === 'media' ? '100m' : '4m');
  return { ...disk, [Symbol.asyncDispose]: () => disk.unmount() };
}

const fullDisk = ({ fill, empty }: Tmpfs): Trouble => ({ begin: fill, end: empty });
const readOnlyDisk = ({ setReadOnly }: Tmpfs): Trouble => ({
  begin: () => setReadOnly(true),
  end: () => setReadOnly(false),
});

/** `fsync` fails for every file and folder whose path ends in `end`. */
function failingFsync(folder: string, end: string): Trouble {
  const order = join(folder, 'fsync-fails');
  return {
    begin: () => writeFileSync(order, end),
    end: () => rmSync(order, { force: true }),
    options: {
      preload: new URL('../support/failing-fsync.ts', import.meta.url),
      env: { FSYNC_FAILS: order },
    },
  };
}

const ready = async (url: string) => {
  const response = await fetch(`${url}/health/ready`);
  const { checks } = (await response.json()) as { checks: Record<string, { status: string }> };
  const failing = Object.keys(checks).filter((name) => checks[name]?.status === 'error');
  return { status: response.status, failing };
};

const TROUBLES = [
  ['a full disk under the pictures', 'media', fullDisk, 507, 'storage_full', 'storage'],
  ['a read-only disk under the pictures', 'media', readOnlyDisk, 503, 'storage_unavailable', 'storage'],
  ['a full disk under the database', 'database', fullDisk, 507, 'storage_full', 'database'],
  ['fsync errors under the pictures', null, null, 503, 'storage_unavailable', 'storage'],
] as const;

describe.concurrent.each(TROUBLES)('%s', (_, mount, make, status, code, check) => {
  it.runIf(mount === null || canMountTmpfs)(
    'refuses new work before paying, keeps paid pictures, serves existing files, and recovers by itself',
    async () => {
      await using folder = await temporaryFolder();
      await using disk = mount && (await mountOn(folder.path, mount));
      const database = mount === 'database' ? join(folder.path, 'database') : folder.path;
      mkdirSync(join(folder.path, 'media'), { recursive: true });
      const trouble = disk && make ? make(disk) : failingFsync(folder.path, '');
      await using upstream = await startOpenAiServer();
      const env = { DATABASE_URL: `sqlite:${database}/easel.db`, ...trouble.options?.env };
      await using service = await startLife({ folder: folder.path, upstream, ...trouble.options, env });
      const { url } = service;

      expect((await post(url, { mediaId: 'kept', prompt: 'kept' })).status).toBe(201);
      const gate = upstream.gate();
      upstream.script(picture({ beforeHeaders: gate }));
      const held = post(url, { mediaId: 'held', prompt: 'held' }, { prefer: 'wait=1' });
      await gate.reached();
      await trouble.begin();
      gate.open();

      const refused = await post(url, { mediaId: 'new', prompt: 'new' });
      expect([refused.status, refused.body.code]).toEqual([status, code]);
      expect((await held).status).toBe(202);
      await until(async () => (await ready(url)).status === 503);
      expect((await ready(url)).failing).toEqual([check]);
      const kept = await post(url, { mediaId: 'kept', prompt: 'kept' });
      expect(kept.status).toBe(200);
      expect((await fetch(url + kept.body.versionedUrl)).status).toBe(200);
      expect((await getRecord(url, 'held'))?.status).toBe('generating');
      expect((await fetch(`${url}/media/held.png`)).status).toBe(404);

      await trouble.end();
      await until(async () => (await getRecord(url, 'held'))?.status === 'succeeded');
      await until(async () => (await ready(url)).status === 200);
      expect((await post(url, { mediaId: 'new', prompt: 'new' })).status).toBe(201);
      expect(upstream.calls).toHaveLength(3);
      const { images, findings } = readDatabase(database);
      expect(findings).toEqual([]);
      for (const image of images) expect(image).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'ok' }] });
      expect(filesOnDisk(folder.path)).toEqual(filesOnRecord(images));
      expect(await auditServing(url, folder.path, images)).toEqual([]);
    },
  );
});

describe.concurrent('a disk in trouble', () => {
  it('does not mark an image as succeeded before the names of its files are durable', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const trouble = failingFsync(folder.path, '/media');
    await using service = await startLife({ folder: folder.path, upstream, ...trouble.options });
    await trouble.begin();
    const prefer = { prefer: 'respond-async' };
    expect((await post(service.url, { mediaId: 'named', prompt: 'named' }, prefer)).status).toBe(202);
    // The files have their names, but a power cut could take them away.
    await until(async () => service.stdout().includes('storage failed, retrying'));
    expect(filesOnDisk(folder.path)).toContain('named.png');
    expect((await getRecord(service.url, 'named'))?.status).toBe('processing');
    expect((await fetch(`${service.url}/media/named.png`)).status).toBe(404);
    await trouble.end();
    await until(async () => (await getRecord(service.url, 'named'))?.status === 'succeeded');
    expect(upstream.calls).toHaveLength(1);
  });

  it.runIf(canMountTmpfs)('does not keep the service from starting and serving existing files', async () => {
    await using folder = await temporaryFolder();
    await using disk = await mountOn(folder.path, 'media');
    await using upstream = await startOpenAiServer();
    const killed = { step: 'afterDeletionNoted' } as const;
    await using first = await startLife({ folder: folder.path, upstream, death: killed });
    for (const mediaId of ['kept', 'gone']) await post(first.url, { mediaId, prompt: mediaId });
    await fetch(`${first.url}/images/gone`, { method: 'DELETE' }).catch(() => null);
    expect(await first.exited).toBe('SIGKILL');

    disk.setReadOnly(true);
    await using second = await startLife({ folder: folder.path, upstream, env: { CLEANUP_INTERVAL_SECONDS: '1' } });
    expect((await fetch(`${second.url}/media/kept.png`)).status).toBe(200);
    expect((await fetch(`${second.url}/media/gone.png`)).status).toBe(404);
    expect(await ready(second.url)).toEqual({ status: 503, failing: ['storage'] });
    disk.setReadOnly(false);
    const { images } = readDatabase(folder.path);
    await until(async () => filesOnDisk(folder.path).join() === filesOnRecord(images).join());
  });

  it.runIf(canMountTmpfs).each([
    ['saves a paid picture that it held, when there is room before the end', true, 'ok', 1],
    ['leaves a paid picture that could not be saved as an attempt of unknown outcome', false, 'unknown', 2],
  ] as const)('at SIGTERM: %s', async (_, roomAgain, outcome, calls) => {
    await using folder = await temporaryFolder();
    await using disk = await mountOn(folder.path, 'media');
    await using upstream = await startOpenAiServer();
    const gate = upstream.gate();
    upstream.script(picture({ beforeHeaders: gate }));
    // Where there is room again, the process ends as soon as it has saved the picture.
    const env = { SHUTDOWN_GRACE_SECONDS: roomAgain ? '60' : '3' };
    await using first = await startLife({ folder: folder.path, upstream, env });
    const waiting = post(first.url, { mediaId: 'held', prompt: 'held' });
    await gate.reached();
    await disk.fill();
    gate.open();
    await until(async () => first.stdout().includes('storage failed, retrying'));
    first.child.kill('SIGTERM');
    expect((await waiting).status).toBe(202);
    if (roomAgain) await disk.empty();
    expect(await first.exited).toBe(0);
    expect(readDatabase(folder.path).images).toMatchObject([{ attempts: [{ outcome }] }]);

    await disk.empty();
    await using second = await startLife({ folder: folder.path, upstream });
    const { status, body } = await post(second.url, { mediaId: 'held', prompt: 'held' });
    expect([status, body.attempts[0]?.outcome, body.attempts.at(-1)?.outcome]).toEqual([200, outcome, 'ok']);
    expect(upstream.calls).toHaveLength(calls);
  });
});
