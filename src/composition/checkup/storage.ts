import { randomUUID } from 'node:crypto';
import { access, constants, open, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pino } from 'pino';
import { lookAtDatabase } from '../../adapters/postgres/server-check.ts';
import { lookAtDatabaseFile } from '../../adapters/records/sqlite/look.ts';
import type { Config } from '../../config/config.ts';
import type { BucketSettings, DiskSettings, SqliteSettings } from '../../config/storage-settings.ts';
import { type Finding, fails, ok, warning } from './finding.ts';

const SILENT = pino({ level: 'silent' });
/** Room for some hundred pictures of the default size, with their originals and renditions. */
const LITTLE_BYTES = 1e9;
/** Below this not even a few pictures fit. */
const NO_ROOM_BYTES = 50e6;

/** Looks at the records: changes nothing, and does not mind a service that uses them. */
export async function checkDatabase({ records }: Pick<Config, 'records'>): Promise<Finding> {
  const subject = 'database';
  try {
    if (records.kind === 'sqlite') return await checkFile(records);
    const options = { url: records.url, poolSize: 1, applicationName: 'easel doctor', log: SILENT };
    const { schema } = await lookAtDatabase(options);
    return ok(
      subject,
      schema === null
        ? 'PostgreSQL answers; the first start makes its tables'
        : `PostgreSQL answers, with schema ${schema}`,
    );
  } catch (error) {
    return fails(subject, withSetting('DATABASE_URL', error));
  }
}

async function checkFile({ path }: SqliteSettings): Promise<Finding> {
  const subject = 'database';
  const look = lookAtDatabaseFile(path);
  if (look === null) {
    const folder = await nearestFolder(dirname(resolve(path)));
    if (!(await isWritable(folder)))
      return fails(subject, `this user may not write to ${folder}; correct DATABASE_URL, or the folder's owner`);
    return ok(subject, `${path} is not there yet: the first start makes it`);
  }
  const { schema, knownSchema, holder } = look;
  const use =
    holder === null ? 'no service uses it' : `a service uses it (${holder}): commands need --url or EASEL_URL now`;
  if (schema > knownSchema) {
    return fails(
      subject,
      `${path} has schema ${schema} of a newer Easel, and this one knows ${knownSchema}: run the newer one, or correct DATABASE_URL`,
    );
  }
  if (holder === null && !(await isWritable(path))) {
    return fails(subject, `this user may not write to ${path}; correct DATABASE_URL, or the file's owner`);
  }
  if (schema < knownSchema) {
    return warning(
      subject,
      `${path} has schema ${schema}: the next start brings it to ${knownSchema}, for good; take a backup before (easel backup); ${use}`,
    );
  }
  return ok(subject, `${path} has schema ${schema}; ${use}`);
}

/** Looks at where the pictures are kept: is it there, can it be written, is there room? */
export async function checkMedia({ media, retention }: Pick<Config, 'media' | 'retention'>): Promise<Finding> {
  try {
    return media.kind === 's3' ? await checkBucket(media) : await checkFolder(media, retention);
  } catch (error) {
    return fails('disk', withSetting(media.kind === 's3' ? 'S3_BUCKET' : 'MEDIA_DIR', error));
  }
}

async function checkFolder({ root }: DiskSettings, retention: Config['retention']): Promise<Finding> {
  const subject = 'disk';
  const folder = await nearestFolder(resolve(root));
  const exists = folder === resolve(root);
  if (!(await isWritable(folder)))
    return fails(subject, `this user may not write to ${folder}; correct MEDIA_DIR, or the folder's owner`);
  if (exists) await tryWriting(folder);
  const moved = exists ? await otherFileSystem(folder) : null;
  if (moved !== null)
    return fails(
      subject,
      `${moved} is on another file system than ${root}: files are moved from one into the other, so put both on one`,
    );
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const room = `${root} has ${(free / 1e9).toFixed(1)} GB free`;
  if (free < NO_ROOM_BYTES) return fails(subject, `${room}: make room, or set MEDIA_DIR to a larger disk`);
  const isKept = retention.olderThanMs === null && retention.maxBytes === null;
  if (free < LITTLE_BYTES) return warning(subject, `${room}: make room, or set RETENTION or MEDIA_MAX_BYTES`);
  const note = isKept ? '; pictures are never deleted: RETENTION and MEDIA_MAX_BYTES are not set' : '';
  return ok(subject, `${room}${exists ? ' and takes files' : '; the first start makes the folder'}${note}`);
}

async function checkBucket({ bucket, endpoint, region, prefix, forcePathStyle }: BucketSettings): Promise<Finding> {
  const { checkBucket: check } = await import('../../adapters/storage/s3/check-bucket.ts');
  const options = { bucket, region, prefix, forcePathStyle, endpoint: endpoint ?? undefined };
  // A server that is not there is not waited for: each look at the clock is a minute later.
  let minutes = 0;
  const clock = { monotonic: () => 60_000 * minutes++, sleep: async () => undefined };
  await check(options, { clock, log: SILENT });
  return ok('disk', `the bucket ${bucket} takes, gives and deletes files`);
}

/** The folder itself, or the nearest one above it that exists. */
async function nearestFolder(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => null);
    if (found !== null && !found.isDirectory()) throw new Error(`${folder} is a file where a folder has to be`);
    if (found !== null || folder === dirname(folder)) return folder;
  }
}

async function isWritable(path: string): Promise<boolean> {
  return await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** Writes a file, and removes it: rights alone do not show a disk that is mounted read-only, or a quota. */
async function tryWriting(folder: string): Promise<void> {
  const path = join(folder, `.easel-doctor-${randomUUID()}`);
  try {
    await using file = await open(path, 'wx');
    await file.write(new Uint8Array(4096));
    await file.sync();
  } finally {
    await rm(path, { force: true });
  }
}

/** The folder in `root` that is on another file system; null where all are on one. */
async function otherFileSystem(root: string): Promise<string | null> {
  const { dev } = await stat(root);
  for (const name of ['originals', 'inputs', '.tmp']) {
    const found = await stat(join(root, name)).catch(() => null);
    if (found !== null && found.dev !== dev) return join(root, name);
  }
  return null;
}

function withSetting(setting: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.includes(setting) ? message : `${setting}: ${message}`;
}
