import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, openCluster, type Replica } from '../../support/cluster/cluster.ts';
import { answerAsPostgres } from '../../support/postgres/scripted-server.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';

let cluster: Cluster;
let folder: TemporaryFolder;
/** The one that is refused, and another that runs. */
let refusable: Replica;
let other: Replica;
/** Settings of replicas whose pictures are in a folder that they share, with a database of their own. */
let inFolder: Readonly<Record<string, string>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  cluster = await openCluster({ size: 2 });
  [refusable, other] = cluster.replicas as [Replica, Replica];
  const noBucket = { S3_BUCKET: '', S3_PREFIX: '', S3_ENDPOINT: '', S3_REGION: '' };
  await cluster.query('CREATE DATABASE in_folder');
  const database = { DATABASE_URL: cluster.postgres.url('in_folder') };
  inFolder = { ...noBucket, ...database, MEDIA_SHARED: 'true', MEDIA_DIR: join(folder.path, 'media') };
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** The exit code of a start, and what it says. */
async function refused(env: Readonly<Record<string, string>>) {
  const started = refusable.launch({ env });
  const code = await started.exited;
  return { code, said: started.stderr().trim() };
}

/** Lets the other replica run meanwhile, which then ends as it should. */
async function besideAnother<T>(env: Readonly<Record<string, string>>, work: () => Promise<T>): Promise<T> {
  const running = await other.start({ env: { ROLE: 'worker', SHUTDOWN_GRACE_SECONDS: '0', ...env } });
  const result = await work();
  running.child.kill();
  expect(await running.exited).toBe(0);
  return result;
}

const withParts = (url: string, parts: Partial<URL>) => Object.assign(new URL(url), parts).href;

describe('a start that cannot succeed ends with 78 and a sentence', () => {
  it('SQLite with ROLE=worker', async () => {
    const { code, said } = await refused({ DATABASE_URL: 'sqlite:a.db', ROLE: 'worker' });
    expect([code, said]).toEqual([78, expect.stringMatching(/ROLE: SQLite takes one process/)]);
  });

  it('a database that does not exist, and a user that may not make tables', async () => {
    const missing = await refused({ DATABASE_URL: withParts(cluster.postgres.url(), { pathname: '/none' }) });
    expect([missing.code, missing.said]).toEqual([
      78,
      expect.stringMatching(/^Easel did not start: DATABASE_URL: [^\n]+$/),
    ]);
    await cluster.query('CREATE ROLE limited LOGIN');
    const limited = await refused({ DATABASE_URL: withParts(cluster.postgres.url(), { username: 'limited' }) });
    expect([limited.code, limited.said]).toEqual([
      78,
      expect.stringMatching(/the user may not make or use the tables/),
    ]);
  });

  it('a PostgreSQL that is too old', async () => {
    await using old = await answerAsPostgres({ version: 130_002 });
    const { code, said } = await refused({ DATABASE_URL: old.url });
    expect([code, said]).toEqual([
      78,
      'Easel did not start: DATABASE_URL: the server is PostgreSQL 13.2, and Easel needs 14 or newer',
    ]);
  });

  it.for([
    ['a newer Easel', 'easel.schema_version', /DATABASE_URL: .*schema 100000 of a newer/],
    ["a newer Easel's pg-boss", 'easel_jobs.version', /DATABASE_URL: .*pg-boss/],
  ] as const)('the schema of %s', async ([_, table, sentence]) => {
    await besideAnother({}, async () => {
      const [before] = await cluster.query(`SELECT version FROM ${table}`);
      await cluster.query(`UPDATE ${table} SET version = 100000`);
      expect(await refused({})).toEqual({ code: 78, said: expect.stringMatching(sentence) });
      await cluster.query(`UPDATE ${table} SET version = $1`, [before?.version]);
    });
  });

  it('a bucket that does not exist', async () => {
    const { code, said } = await refused({ S3_BUCKET: 'no-such-bucket' });
    expect([code, said]).toEqual([
      78,
      'Easel did not start: S3_BUCKET: the bucket no-such-bucket does not exist; make it or correct S3_BUCKET',
    ]);
  });

  it('a folder that is not the one that the other replicas share', async () => {
    const another = join(folder.path, 'another');
    await mkdir(another);
    const { code, said } = await besideAnother(inFolder, () => refused({ ...inFolder, MEDIA_DIR: another }));
    expect([code, said]).toEqual([
      78,
      `Easel did not start: MEDIA_DIR: the folder ${another} is not the one that the other replicas use, as it does not bear their mark; ` +
        'mount the same one for all of them',
    ]);
  });

  it('a secret that is another than that of a replica that runs', async () => {
    const secret = (byte: number) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`;
    const { code, said } = await besideAnother({ WEBHOOK_SECRET: secret(1) }, () =>
      refused({ WEBHOOK_SECRET: secret(2) }),
    );
    expect([code, said]).toEqual([78, expect.stringMatching(/^Easel did not start: WEBHOOK_SECRET differs from/)]);
  });
});
