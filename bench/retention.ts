/**
 * Retention among 1,000,000 records: the time to find 1,000 expired ones, beside finding them among 10,000, and the delay of
 * the event loop while 10,000 are swept. Takes about a minute and 2 GB in the temporary folder.
 */

import { randomUUID } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { createImageEvents } from '../src/adapters/events/local.ts';
import { createLocalLocks } from '../src/adapters/locks/local.ts';
import { createLocalQueue } from '../src/adapters/queue/local.ts';
import { openSqliteRecords } from '../src/adapters/records/sqlite/records.ts';
import { createDiskStore } from '../src/adapters/storage/disk.ts';
import type { Image } from '../src/core/domain/image.ts';
import { createDerive } from '../src/core/images/derive.ts';
import type { RecordStore } from '../src/core/ports/record-store.ts';
import { createCleanup } from '../src/core/retention/cleanup.ts';
import { createDeletions } from '../src/core/retention/deletions.ts';
import { createOrphanRemoval } from '../src/core/retention/orphans.ts';
import { createRepair } from '../src/core/retention/repair.ts';
import { createSweepWatch } from '../src/core/retention/sweep-watch.ts';
import { anImage } from '../test/contracts/record-store/example-images.ts';
import { saveResults } from './support/results.ts';

const MANY = 1_000_000;
const FEW = 10_000;
const EXPIRED = 1_000;
const SWEPT = 10_000;
const NOW = Date.parse('2026-11-23T00:00:00Z');
const DAY_MS = 86_400_000;
const DERIVE = createDerive({ webhookUrls: new Map(), randomId: () => randomUUID() });

const folder = await mkdtemp(join(tmpdir(), 'easel-bench-'));
try {
  const few = await fill(join(folder, 'few.db'), FEW, EXPIRED);
  const amongFew = await timed(() => find(few, EXPIRED));
  await few.close();

  const records = await fill(join(folder, 'many.db'), MANY, SWEPT);
  const amongMany = await timed(() => find(records, EXPIRED));
  console.log(`finding ${EXPIRED} expired among ${FEW}: ${amongFew.toFixed(1)} ms`);
  console.log(
    `finding ${EXPIRED} expired among ${MANY}: ${amongMany.toFixed(1)} ms, ${(amongMany / amongFew).toFixed(2)} times as long`,
  );

  const log = pino({ level: 'silent' });
  const clock = { now: () => NOW, monotonic: () => NOW, sleep: () => Promise.resolve() };
  const store = await createDiskStore({ root: join(folder, 'media') });
  const queue = createLocalQueue({ concurrency: 1, run: () => Promise.resolve() });
  const telemetry = { imageEnded: () => {} };
  const events = createImageEvents();
  const locks = createLocalLocks();
  const deletions = createDeletions({ locks, records, store, queue, events, telemetry, clock, log });
  const cleanUp = createCleanup({
    locks,
    records,
    store,
    deletions,
    removeOrphans: createOrphanRemoval({ records, store, log }),
    repairMissingFiles: createRepair({
      records,
      store,
      queue,
      events,
      ensureThumbnail: async () => null,
      clock: { now: () => Date.now() },
      queueLimit: 100,
      log,
    }),
    retention: { olderThanMs: 30 * DAY_MS, maxBytes: null },
    watch: createSweepWatch(log, { cleanupEnded: () => undefined }),
    clock,
    log,
  });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const began = performance.now();
  const { deleted, kept } = await cleanUp({});
  const seconds = (performance.now() - began) / 1000;
  delay.disable();
  const [median, rare, worst] = [delay.percentile(50), delay.percentile(99.9), delay.max].map((nanoseconds) =>
    (nanoseconds / 1e6).toFixed(1),
  );
  console.log(
    `sweeping ${deleted} of ${deleted + kept}: ${seconds.toFixed(1)} s; event-loop delay ${median} ms median, ${rare} ms at 99.9%, ${worst} ms at worst`,
  );
  await records.close();
  await saveResults({
    figures: [
      { what: `finding ${EXPIRED} expired among ${FEW}`, value: amongFew, unit: 'ms' },
      { what: `finding ${EXPIRED} expired among ${MANY}`, value: amongMany, unit: 'ms' },
      { what: `sweeping ${deleted} of ${deleted + kept}`, value: seconds, unit: 's' },
      ...[
        ['median', delay.percentile(50)] as const,
        ['99.9%', delay.percentile(99.9)] as const,
        ['worst', delay.max] as const,
      ].map(([which, nanoseconds]) => ({
        what: `event loop late meanwhile, ${which}`,
        value: nanoseconds / 1e6,
        unit: 'ms',
      })),
    ],
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Writes `count` images: the first `expired` are 40 days old, the others at most a day. Bypasses the port, which would sync each write. */
async function fill(path: string, count: number, expired: number): Promise<RecordStore> {
  await openSqliteRecords({ path, derive: DERIVE }).close();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA synchronous = OFF; BEGIN');
  const insert = database.prepare(`
    INSERT INTO images (media_id, owner, status, created_at, requested_at, expires_at, document)
    VALUES (?, 'anonymous', 'succeeded', ?, ?, NULL, ?)`);
  for (let i = 0; i < count; i += 1) {
    const createdAt = i < expired ? NOW - 40 * DAY_MS + i : NOW - (i % DAY_MS);
    const image: Image = anImage({
      mediaId: `image-${i}`,
      status: 'succeeded',
      createdAt: new Date(createdAt).toISOString(),
      expiresAt: null,
    });
    insert.run(image.mediaId, createdAt, createdAt, JSON.stringify(image));
  }
  database.exec('COMMIT');
  database.close();
  // Synced now; otherwise the first sync of the measured sweep would write all of it.
  await using file = await open(path);
  await file.sync();
  return openSqliteRecords({ path, derive: DERIVE });
}

function find(records: RecordStore, limit: number) {
  return records.expired({ now: NOW, requestedBefore: NOW - 30 * DAY_MS, status: null, limit, after: null });
}

/** Median of five, in milliseconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[2] ?? Number.NaN;
}
