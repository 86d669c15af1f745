import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReplicas, type Replicas } from '../../support/cluster/replicas.ts';
import { answerAsPostgres } from '../../support/postgres/scripted-server.ts';
import { createTestDatabase } from '../../support/postgres/shared-server.ts';

let cluster: Replicas;
let bucket: Replicas;

beforeAll(async () => {
  [cluster, bucket] = await Promise.all([openReplicas('folder'), openReplicas('bucket')]);
});
afterAll(() => Promise.all([cluster, bucket].map((each) => each[Symbol.asyncDispose]())));

/** The exit code of a start, and what it says. */
async function refused(replicas: Replicas, env: Readonly<Record<string, string>>, role: 'all' | 'worker' = 'all') {
  const started = replicas.launch(role, env);
  const code = await started.exited;
  return { code, said: started.stderr().trim() };
}

const withParts = (url: string, parts: Partial<URL>) => Object.assign(new URL(url), parts).href;

describe('a start that cannot succeed ends with 78 and a sentence', () => {
  it('SQLite with ROLE=worker', async () => {
    const { code, said } = await refused(cluster, { DATABASE_URL: 'sqlite:a.db', MEDIA_SHARED: '' }, 'worker');
    expect([code, said]).toEqual([78, expect.stringMatching(/ROLE: SQLite takes one process/)]);
  });

  it('a database that does not exist, and a user that may not make tables', async () => {
    const missing = await refused(cluster, { DATABASE_URL: withParts(cluster.database.url, { pathname: '/none' }) });
    expect([missing.code, missing.said]).toEqual([
      78,
      expect.stringMatching(/^Easel did not start: DATABASE_URL: [^\n]+$/),
    ]);
    await cluster.database.query('CREATE ROLE limited LOGIN').catch(() => undefined);
    const limited = await refused(cluster, { DATABASE_URL: withParts(cluster.database.url, { username: 'limited' }) });
    expect([limited.code, limited.said]).toEqual([
      78,
      expect.stringMatching(/the user may not make or use the tables/),
    ]);
  });

  it('a PostgreSQL that is too old', async () => {
    await using old = await answerAsPostgres({ version: 130_002 });
    const { code, said } = await refused(cluster, { DATABASE_URL: old.url });
    expect([code, said]).toEqual([
      78,
      'Easel did not start: DATABASE_URL: the server is PostgreSQL 13.2, and Easel needs 14 or newer',
    ]);
  });

  it("the schema of a newer Easel, and of a newer Easel's pg-boss", async () => {
    const newer = await createTestDatabase();
    const env = { DATABASE_URL: newer.url, MEDIA_DIR: join(cluster.folder, 'newer') };
    const running = await cluster.start('worker', env);
    running.child.kill();
    expect(await running.exited).toBe(0);
    await newer.query('UPDATE easel_jobs.version SET version = 100000');
    expect(await refused(cluster, env)).toMatchObject({
      code: 78,
      said: expect.stringMatching(/DATABASE_URL: .*pg-boss/),
    });
    await newer.query('UPDATE easel.schema_version SET version = 100000');
    expect(await refused(cluster, env)).toMatchObject({
      code: 78,
      said: expect.stringMatching(/schema 100000 of a newer/),
    });
    await newer.drop();
  });

  it('a bucket that does not exist', async () => {
    const { code, said } = await refused(bucket, { S3_BUCKET: 'no-such-bucket' });
    expect([code, said]).toEqual([
      78,
      'Easel did not start: S3_BUCKET: the bucket no-such-bucket does not exist; make it or correct S3_BUCKET',
    ]);
  });

  it('a folder that is not the one that the other replicas share', async () => {
    const other = join(cluster.folder, 'other');
    await mkdir(other);
    const running = await cluster.start('worker');
    const { code, said } = await refused(cluster, { MEDIA_DIR: other });
    expect([code, said]).toEqual([
      78,
      `Easel did not start: MEDIA_DIR: the folder ${other} is not the one that the other replicas use, as it does not bear their mark; ` +
        'mount the same one for all of them',
    ]);
    running.child.kill();
    expect(await running.exited).toBe(0);
  });

  it('a secret that is another than that of a replica that runs', async () => {
    const secret = (byte: number) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`;
    const running = await bucket.start('worker', { WEBHOOK_SECRET: secret(1) });
    const { code, said } = await refused(bucket, { WEBHOOK_SECRET: secret(2) });
    expect([code, said]).toEqual([78, expect.stringMatching(/^Easel did not start: WEBHOOK_SECRET differs from/)]);
    running.child.kill();
    expect(await running.exited).toBe(0);
  });
});
