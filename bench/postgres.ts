/**
 * Records in PostgreSQL, none and 1,000,000 of them: the time of the port's calls, and what tables and indexes take. The server is one of
 * its own, with its commits flushed to the disk, in the temporary folder. `postgres 10000` is a trial with another number.
 */

import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { openPostgres } from '../src/adapters/postgres/database.ts';
import { migrate } from '../src/adapters/postgres/schema/migrations.ts';
import { openSession } from '../src/adapters/postgres/session.ts';
import { openPostgresRecords } from '../src/adapters/records/postgres/records.ts';
import { createDerive } from '../src/core/images/derive.ts';
import type { RecordStore } from '../src/core/ports/record-store.ts';
import { BATCH_SIZE } from '../src/core/retention/sweep.ts';
import { anImage, aRequest } from '../test/contracts/record-store/example-images.ts';
import { startPostgres } from '../test/support/postgres/server.ts';
import {
  COMMON_LABEL,
  EXPIRED,
  fillRecords,
  OWNER,
  recordId,
  relationSizes,
  vacuum,
} from './support/postgres-archive.ts';
import { saveResults } from './support/results.ts';
import { elapsed, elapsedEach, median } from './support/timing.ts';

const COUNT = Number(process.argv[3] ?? 1_000_000);
const TURNS = 100;
const DERIVE = createDerive({ webhookUrls: new Map(), randomId: () => randomUUID() });

const server = await startPostgres({ durable: true, settings: { shared_buffers: '512MB', max_wal_size: '4GB' } });
try {
  await using opened = new AsyncDisposableStack();
  const options = { url: server.url(), applicationName: 'bench', log: pino({ level: 'silent' }) };
  const database = openPostgres({ ...options, poolSize: 10 });
  opened.defer(() => database.close());
  await migrate(database);
  const session = await openSession(options);
  opened.defer(() => session.close());
  const records = await openPostgresRecords({ database, session, derive: DERIVE });
  opened.defer(() => records.close());

  const empty = await measure(records, 0);
  await database.write('TRUNCATE easel.images, easel.labels, easel.totals, easel.spending');
  const fillSeconds = (await elapsed(() => fillRecords(server.url(), COUNT, Date.now()))) / 1000;
  console.log(`filled ${COUNT.toLocaleString('en-US')} records in ${fillSeconds.toFixed(0)} s`);
  const vacuumSeconds = (await elapsed(() => vacuum(server.url()))) / 1000;
  const sizes = await relationSizes(server.url());
  const full = await measure(records, COUNT);

  const [version] = await database.read('SHOW server_version');
  const perRecord = (bytes: number) => Math.round(bytes / COUNT);
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  const kinds = Object.keys(empty);
  for (const kind of kinds) console.log(kind.padEnd(40), empty[kind]?.toFixed(2), full[kind]?.toFixed(2));
  for (const { name, bytes } of sizes) console.log(name.padEnd(40), (bytes / 1e6).toFixed(0), perRecord(bytes));
  await saveResults({
    figures: [
      { what: 'a record, with its share of all tables and indexes', value: perRecord(total), unit: 'bytes' },
      {
        what: 'VACUUM (ANALYZE) of everything, and a checkpoint, after the fill',
        value: Number(vacuumSeconds.toFixed(1)),
        unit: 's',
      },
    ],
    tables: [
      {
        title: `PostgreSQL ${version?.server_version}: median times in milliseconds, by the number of records`,
        columns: ['what', '0', COUNT.toLocaleString('en-US')],
        rows: kinds.map((kind) => [kind, empty[kind] ?? null, full[kind] ?? null]),
      },
      {
        title: `Tables and indexes with ${COUNT.toLocaleString('en-US')} records, of which half have a label and half an idempotency key`,
        columns: ['table or index', 'rows', 'MB', 'bytes a record'],
        rows: [
          ...sizes.map(({ name, isIndex, rows, bytes }) => [
            isIndex ? `index \`${name}\`` : `table \`${name}\``,
            rows,
            Math.round(bytes / 1e5) / 10,
            perRecord(bytes),
          ]),
          ['all', COUNT, Math.round(total / 1e5) / 10, perRecord(total)],
        ],
      },
    ],
  });
} finally {
  await server.stop();
}

async function measure(records: RecordStore, count: number): Promise<Readonly<Record<string, number>>> {
  const typical = async (work: () => Promise<unknown>) => {
    await work();
    return median(await elapsedEach(TURNS, work));
  };
  const random = () => recordId(Math.floor(Math.random() * Math.max(count, 1)));
  const page = { limit: 50, owner: null };
  const middle = count > 0 ? await cursorAfter(records, recordId(Math.floor(count / 2))) : undefined;
  const accepted = () =>
    anImage({ mediaId: randomUUID(), owner: OWNER, request: aRequest({ labels: [COMMON_LABEL] }) });
  return {
    'get one record': await typical(() => records.get(random())),
    'list: first page of 50': await typical(() => records.list(page)),
    'list: a page in the middle': await typical(() => records.list({ ...page, cursor: middle })),
    'list: by a rare status': await typical(() => records.list({ ...page, status: ['cancelled'] })),
    'list: by a common label': await typical(() => records.list({ ...page, label: [COMMON_LABEL] })),
    "list: a key's own": await typical(() => records.list({ ...page, owner: OWNER })),
    [`find ${BATCH_SIZE} of ${EXPIRED} expired`]: await typical(() =>
      records.expired({ now: Date.now(), requestedBefore: null, status: null, limit: BATCH_SIZE, after: null }),
    ),
    'find the oldest 100': await typical(() => records.oldest(100, null)),
    'count by status': await typical(() => records.countByStatus()),
    'balance of a day': await typical(() => records.balance(new Date().toISOString().slice(0, 10), null)),
    'health check': await typical(() => records.check()),
    'accept, one at a time': await typical(() => records.accept(accepted(), Number.MAX_SAFE_INTEGER)),
    'accept, of 16 at a time':
      (await elapsed(() => sixteen(() => records.accept(accepted(), Number.MAX_SAFE_INTEGER)))) / 160,
  };
}

/** The cursor of the page after this record. */
async function cursorAfter(records: RecordStore, mediaId: string): Promise<string> {
  const image = await records.get(mediaId);
  return Buffer.from(JSON.stringify([Date.parse(image?.createdAt ?? ''), mediaId])).toString('base64url');
}

/** Runs the work 160 times, 16 at a time. */
async function sixteen(work: () => Promise<unknown>): Promise<void> {
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let turn = 0; turn < 10; turn += 1) await work();
    }),
  );
}
