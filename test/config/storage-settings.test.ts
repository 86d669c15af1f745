import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { issuesOf } from './issues-of.ts';

const POSTGRES = { DATABASE_URL: 'postgres://easel:hunter22@db/easel' };
const BUCKET = { S3_BUCKET: 'pictures', S3_REGION: 'eu-central-1' };

describe('settings of storage that do not go together are one line each', () => {
  it.each([
    [{ ROLE: 'worker' }, 'ROLE: SQLite takes one process, which does all; set ROLE=all, or DATABASE_URL to PostgreSQL'],
    [
      { MEDIA_SHARED: 'true' },
      'MEDIA_SHARED: SQLite takes one process, with a folder of its own; set DATABASE_URL to PostgreSQL',
    ],
    [
      POSTGRES,
      'MEDIA_SHARED: with PostgreSQL the pictures have to be where every replica finds them; set S3_BUCKET, or MEDIA_SHARED=true if ' +
        'MEDIA_DIR is one folder for all of them',
    ],
    [{ ...BUCKET, MEDIA_DIR: 'media' }, 'MEDIA_DIR: the pictures are in the bucket of S3_BUCKET; unset one of the two'],
    [{ S3_ENDPOINT: 'http://s3' }, 'S3_ENDPOINT: is for a bucket; set S3_BUCKET, or unset S3_ENDPOINT'],
    [{ S3_REGION: 'eu-west-1' }, 'S3_REGION: is for a bucket; set S3_BUCKET, or unset S3_REGION'],
    [{ S3_PREFIX: 'a' }, 'S3_PREFIX: is for a bucket; set S3_BUCKET, or unset S3_PREFIX'],
    [
      { S3_FORCE_PATH_STYLE: 'true' },
      'S3_FORCE_PATH_STYLE: is for a bucket; set S3_BUCKET, or unset S3_FORCE_PATH_STYLE',
    ],
    [
      { MEDIA_DELIVERY: 'redirect' },
      'MEDIA_DELIVERY: there is no bucket to redirect to; set S3_BUCKET, or MEDIA_DELIVERY=stream',
    ],
    [
      { S3_BUCKET: 'pictures' },
      "S3_REGION: is missing, and AWS_REGION too; set the region of the bucket, or S3_ENDPOINT to a server's address",
    ],
  ])('%j', (env, issue) => {
    expect(issuesOf(env as Readonly<Record<string, string>>)).toEqual([issue]);
  });

  it('and what is wrong by itself contradicts nothing', () => {
    expect(issuesOf({ ROLE: 'worker', DATABASE_URL: 'mysql://a/b' })).toHaveLength(1);
    expect(issuesOf({ ...POSTGRES, S3_BUCKET: 'X', MEDIA_DELIVERY: 'redirect' })).toHaveLength(1);
    expect(issuesOf({ ...POSTGRES, MEDIA_SHARED: 'yes' })).toHaveLength(1);
    expect(issuesOf({ S3_BUCKET: 'pictures', S3_ENDPOINT: 'x' })).toHaveLength(1);
  });
});

it.each(['..', '.', 'a/..', '../a', 'a/../b', 'a/./b'])('takes no prefix that leads elsewhere: %s', (prefix) => {
  expect(issuesOf({ ...BUCKET, S3_PREFIX: prefix })).toEqual([
    'S3_PREFIX: must have no part that is . or .., which would lead elsewhere',
  ]);
});

it.each(['a', '.a', 'a..', 'v1.2/a-b_c', 'a/'])('takes the prefix %s', (prefix) => {
  expect(readConfig({ ...BUCKET, S3_PREFIX: prefix }).media).toMatchObject({ prefix: `${prefix.replace(/\/$/, '')}/` });
});

it.each(['a b', '/a', 'a//b', 'ä', 'a?b', 'a%2fb', 'a\\b', 'a\nb'])(
  'takes no prefix with odd characters: %j',
  (prefix) => {
    expect(issuesOf({ ...BUCKET, S3_PREFIX: prefix })).toEqual([expect.stringMatching(/^S3_PREFIX: must be letters/)]);
  },
);

it.each(['0', '-1', '1.5', 'many', '1001'])('takes no pool of %s connections', (size) => {
  expect(issuesOf({ ...POSTGRES, ...BUCKET, DATABASE_POOL: size })).toEqual([
    'DATABASE_POOL: must be a whole number from 1 to 1000',
  ]);
});

it.each([
  ['SQLite and a folder', {}, 'sqlite', 'disk'],
  ['SQLite and a bucket', BUCKET, 'sqlite', 's3'],
  ['PostgreSQL and a bucket', { ...POSTGRES, ...BUCKET, ROLE: 'api' }, 'postgres', 's3'],
  ['PostgreSQL and a shared folder', { ...POSTGRES, MEDIA_SHARED: 'true', MEDIA_DIR: '/pictures' }, 'postgres', 'disk'],
])('%s go together', (_, env, records, media) => {
  const config = readConfig(env);
  expect([config.records.kind, config.media.kind, config.warnings]).toEqual([records, media, []]);
});

it('takes both schemes of PostgreSQL', () => {
  const { records } = readConfig({ ...BUCKET, DATABASE_URL: 'postgresql://easel@db:5433/easel?sslmode=disable' });
  expect(records).toEqual({
    kind: 'postgres',
    url: 'postgresql://easel@db:5433/easel?sslmode=disable',
    poolSize: 10,
  });
});

it.each([
  [{ DATABASE_POOL: '5' }, 'DATABASE_POOL is not used: it is for PostgreSQL, and DATABASE_URL names a file of SQLite'],
  [
    { ...POSTGRES, ...BUCKET, MEDIA_SHARED: 'true' },
    'MEDIA_SHARED is not used: the pictures are in the bucket of S3_BUCKET',
  ],
])('warns of %j', (env, warning) => {
  expect(readConfig(env as Readonly<Record<string, string>>).warnings).toEqual([warning]);
});

it.each([
  ['DATABASE_URL', POSTGRES.DATABASE_URL, 'hunter22'],
  ['PGPASSWORD', 'hunter23', 'hunter23'],
  ['AWS_SECRET_ACCESS_KEY', 'wJalrXUtnFEMI', 'wJalrXUtnFEMI'],
  ['AWS_SESSION_TOKEN', 'FwoGZXIvYXdzE', 'FwoGZXIvYXdzE'],
])('masks the secret in %s', (name, value, secret) => {
  expect(readConfig({ ...POSTGRES, ...BUCKET, [name]: value }).secrets.mask(`a ${secret} b`)).toBe('a [secret] b');
});
