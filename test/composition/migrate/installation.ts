import { createHash } from 'node:crypto';
import { cp, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pino } from 'pino';
import { openPostgres } from '../../../src/adapters/postgres/database.ts';
import { openSession } from '../../../src/adapters/postgres/session.ts';
import { openPostgresRecords } from '../../../src/adapters/records/postgres/records.ts';
import { openSqliteRecords } from '../../../src/adapters/records/sqlite/records.ts';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { inputName } from '../../../src/core/domain/file-names.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import type { Input } from '../../../src/core/domain/input.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';
import { anAttempt, anImage, aRequest, at } from '../../contracts/record-store/example-images.ts';

export const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');
export const contentOf = (name: string) => `the bytes of ${name}`;

/** An embedded installation without a service: every table has rows, and every kind of file is there. */
export interface Installation {
  readonly database: string;
  readonly media: string;
  /** What `easel migrate` takes from it. */
  readonly from: { readonly from: string; readonly mediaFrom: string };
  readonly images: number;
  /** Names and contents of all files that records own. */
  readonly files: ReadonlyMap<string, string>;
}

let deliveries = 0;
const DERIVE = createDerive({ webhookUrls: new Map(), randomId: () => `delivery-${++deliveries}` });
const WEBHOOK = 'https://hooks.example.com/pictures';
const LOGO: Input = {
  sha256: sha256('logo'),
  bytes: 4,
  width: 8,
  height: 8,
  format: 'png',
  source: { sha256: sha256('logo') },
};

/** Makes one with `count` succeeded images, and some others. */
export async function makeInstallation(folder: string, count: number): Promise<Installation> {
  const database = join(folder, 'data', 'easel.db');
  const media = join(folder, 'media');
  const records = openSqliteRecords({ path: database, derive: DERIVE });
  const store = await createDiskStore({ root: media });
  await store.setMark(await records.identity());
  const files = new Map<string, string>();
  const write = async (name: string) => {
    files.set(name, contentOf(name));
    await writeFile(join(media, name), contentOf(name));
  };
  for (let number = 0; number < count; number += 1) {
    const image = succeeded(`picture-${String(number).padStart(4, '0')}`);
    for (const file of [image.master, image.original]) if (file) await write(file.name);
    await records.accept({ ...image, status: 'queued', completedAt: null }, Number.POSITIVE_INFINITY);
    await records.update(image.mediaId, () => image);
  }
  // Its first call was cut off: no record knows the hash of what that brought.
  await write('originals/picture-0000~0');
  await writeFile(join(media, inputName(LOGO.sha256)), 'logo');
  files.set(inputName(LOGO.sha256), 'logo');
  for (const mediaId of ['edit-a', 'edit-b']) {
    const call = { id: 'call', index: mediaId === 'edit-a' ? 0 : 1, count: 2, digest: 'digest' };
    await records.accept(anImage({ mediaId, call, request: aRequest({ inputs: [LOGO] }) }), 100);
  }
  await records.accept(succeeded('gone'), 100);
  await records.remove('gone');
  await records.noteUsage({ model: 'gpt-image-2', quality: 'high', size: { width: 1792, height: 1024 } }, 4_096);
  await records.saveCleanup({ ...NO_CLEANUP, time: at(60) });
  await records.close();
  await writeFile(join(folder, 'data', 'webhook-secret'), 'whsec_c2VjcmV0\n');
  return { database, media, from: { from: `sqlite:${database}`, mediaFrom: media }, images: count + 2, files };
}

/** A copy of it in another folder, with the same identity. */
export async function copyInstallation(original: Installation, from: string, to: string): Promise<Installation> {
  await cp(from, to, { recursive: true });
  const moved = (path: string) => join(to, relative(from, path));
  const [database, media] = [moved(original.database), moved(original.media)];
  return { ...original, database, media, from: { from: `sqlite:${database}`, mediaFrom: media } };
}

const NO_CLEANUP = {
  deleted: 1,
  freedBytes: 2,
  kept: 3,
  orphansRemoved: 0,
  foreignFiles: 0,
  missingFiles: 0,
  missingFilesOf: [],
  failures: 0,
  failuresOf: [],
  dryRun: false,
  durationMs: 5,
};

function succeeded(mediaId: string): Image {
  const file = (name: string) => ({ name, bytes: contentOf(name).length, sha256: sha256(contentOf(name)) });
  return anImage({
    mediaId,
    status: 'succeeded',
    owner: 'editor',
    idempotencyKey: `key of ${mediaId}`,
    // Text that PostgreSQL's JSON does not take.
    prompt: 'a lighthouse \u0000 at dusk, “wide”',
    request: aRequest({ labels: ['article', 'summer'], webhookUrl: WEBHOOK, metadata: { article: mediaId } }),
    attempts: [anAttempt('0'), { ...anAttempt('1'), outcome: 'ok', cost: { usd: 0.04, basis: 'usage' } }],
    cost: { usd: 0.04, basis: 'usage' },
    original: { ...file(`originals/${mediaId}~1`), sound: true },
    master: { ...file(`${mediaId}.png`), width: 64, height: 64, format: 'png' },
    completedAt: at(30),
    expiresAt: at(90_000),
  });
}

/** Everything that the port gives of a store. */
export async function contentsOf(records: RecordStore): Promise<unknown> {
  const images: Image[] = [];
  let cursor: string | undefined;
  do {
    const page = await records.list({ limit: 100, owner: null, cursor });
    images.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  const usage = { model: 'gpt-image-2', quality: 'high', size: { width: 1792, height: 1024 } } as const;
  return {
    images,
    identity: await records.identity(),
    counts: await records.countByStatus(),
    labelled: (await records.list({ limit: 100, owner: 'editor', label: ['summer'] })).items,
    unfinished: await records.unfinished(),
    expired: await records.expired({
      now: Date.parse(at(100_000)),
      requestedBefore: null,
      status: null,
      limit: 9,
      after: null,
    }),
    byKey: await records.findByKey('editor', 'key of picture-0001'),
    call: await records.findCall('call'),
    sharing: [...(await records.countSharing([inputName(LOGO.sha256)], null))],
    deletions: await records.pendingDeletions(),
    spending: await records.spending('2000-01-01', null),
    balance: await records.balance('2026-01-01', null),
    usage: await records.largestUsage(usage),
    cleanup: await records.lastCleanup(),
    deliveries: await Promise.all(['picture-0000', 'picture-0001', 'gone'].map((id) => records.outbox.list(id))),
    next: (await records.outbox.next({ ids: [], receivers: [] }, Number.MAX_SAFE_INTEGER))?.receiver,
  };
}

/** The contents of a database of SQLite. */
export async function sqliteContents(path: string): Promise<unknown> {
  const records = openSqliteRecords({ path, derive: DERIVE });
  try {
    return await contentsOf(records);
  } finally {
    await records.close();
  }
}

/** The contents of a database of PostgreSQL. */
export async function postgresContents(url: string): Promise<unknown> {
  const options = { url, applicationName: 'test', log: pino({ level: 'silent' }) };
  await using opened = new AsyncDisposableStack();
  const database = openPostgres({ ...options, poolSize: 2 });
  opened.defer(() => database.close());
  const session = await openSession(options);
  opened.defer(() => session.close());
  const records = await openPostgresRecords({ database, session, derive: DERIVE });
  opened.defer(() => records.close());
  return await contentsOf(records);
}
