import { readdir } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { type RunningProcess, startProcess } from '../support/app/process.ts';
import { postUntilTaken } from '../support/cluster/post-taken.ts';
import { refusingPort } from '../support/network/refusing-port.ts';
import { answerAsPostgres } from '../support/postgres/scripted-server.ts';
import { type S3Place, startS3Server } from '../support/s3/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { eventually, until } from '../support/until.ts';

const settingsOf = ({ bucket, endpoint, prefix, region, credentials }: S3Place) => ({
  S3_BUCKET: bucket,
  S3_ENDPOINT: endpoint,
  S3_PREFIX: prefix,
  S3_REGION: region,
  AWS_ACCESS_KEY_ID: credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: 'hunter22',
});

it('a start that cannot succeed ends with 78 and one sentence, without the password and without a stack', async () => {
  await using folder = await temporaryFolder();
  await using refusing = await answerAsPostgres({ error: '28P01' });
  await using s3 = await startS3Server();
  const place = settingsOf(s3.place());
  const cases: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
    [
      { DATABASE_URL: refusing.url.replace('easel@', 'easel:hunter22@'), MEDIA_SHARED: 'true' },
      'DATABASE_URL: PostgreSQL refuses the user or the password',
    ],
    [
      { DATABASE_URL: `${refusing.url}?sslrootcert=/none.pem&password=hunter22`, MEDIA_SHARED: 'true' },
      "DATABASE_URL: no connection can be made with this URL: ENOENT: no such file or directory, open '/none.pem'",
    ],
    [
      { ...place, S3_ENDPOINT: s3.endpoint.replace('http:', 'https:') },
      'S3_BUCKET: the encrypted connection to the S3 server cannot be made: the server does not speak TLS; correct S3_ENDPOINT',
    ],
    [
      {
        ...place,
        AWS_ACCESS_KEY_ID: '',
        AWS_SECRET_ACCESS_KEY: '',
        AWS_EC2_METADATA_DISABLED: 'true',
        HOME: folder.path,
      },
      'S3_BUCKET: there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    ],
  ];
  const ends = cases.map(async ([given, sentence], index) => {
    const env = { DATABASE_URL: `sqlite:${folder.path}/${index}.db`, ...given };
    await using run = startProcess({ folder: folder.path, env });
    expect([await run.exited, run.stderr(), run.stdout()]).toEqual([78, `Easel did not start: ${sentence}\n`, '']);
  });
  await Promise.all(ends);
});

it('SQLite with a bucket is one process that waits for its server, makes, serves, deletes and cleans up', async () => {
  await using folder = await temporaryFolder();
  await using held = await refusingPort();
  const port = held.port;
  const env = {
    ...settingsOf({
      bucket: 'easel-tests',
      endpoint: `http://127.0.0.1:${port}`,
      prefix: 'late',
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    }),
    IMAGE_SIZE: '256x256',
    IMAGE_RENDITIONS: '128x128.png',
  };
  await using run = startProcess({ folder: folder.path, env });
  await until(() => run.stdout().includes('the S3 server is not there yet, trying again'));
  await held[Symbol.asyncDispose]();
  await using _server = await startS3Server(port);
  const url = await addressOf(run);

  const made = await postUntilTaken({ url }, { mediaId: 'first', prompt: 'a lighthouse' });
  expect([made.status, made.body.path]).toEqual([
    201,
    expect.stringMatching(/^s3:\/\/easel-tests\/late\/.*first\.png$/),
  ]);
  expect((await postUntilTaken({ url }, { mediaId: 'second', prompt: 'a harbour' })).status).toBe(201);
  const served = await fetch(`${url}/media/first.png`);
  expect([served.status, (await served.bytes()).length]).toEqual([200, made.body.bytes]);
  expect((await fetch(`${url}/images/first`, { method: 'DELETE' })).status).toBe(204);
  expect((await fetch(`${url}/media/first.png`)).status).toBe(404);
  const cleanup = await fetch(`${url}/cleanup`, { method: 'POST', headers: JSON_BODY, body: '{"olderThan":"0s"}' });
  expect(await cleanup.json()).toMatchObject({ deleted: 1, kept: 0, missingFiles: 0 });
  const health = await (await fetch(`${url}/health`)).json();
  expect(health).toMatchObject({ status: 'ok', checks: { storage: { status: 'ok' }, database: { status: 'ok' } } });
  expect(await readdir(folder.path)).not.toContain('media');
});

/** The address that the service says it listens at. */
async function addressOf({ stdout }: RunningProcess): Promise<string> {
  return await eventually(() => {
    const [, url] = /listens on (http:[^"]+)"/.exec(stdout()) ?? [];
    if (url === undefined) throw new Error(`it does not listen: ${stdout()}`);
    return url;
  });
}

const JSON_BODY = { 'content-type': 'application/json' };
