import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkBucket, UnusableBucketError } from '../../../../src/adapters/storage/s3/check-bucket.ts';
import { refusingPort } from '../../../support/network/refusing-port.ts';
import type { S3Fault, S3Request } from '../../../support/s3/faulty-proxy.ts';
import { openS3Scene } from '../../../support/s3/scene.ts';
import { type S3Server, startS3Server } from '../../../support/s3/server.ts';

let server: S3Server;

beforeAll(async () => {
  server = await startS3Server();
});

afterAll(() => server[Symbol.asyncDispose]());

/** A clock that sleeps at once, and a log. */
function surroundings(onSleep: () => void = () => undefined) {
  const log: Record<string, unknown>[] = [];
  let now = 0;
  return {
    log,
    slept: () => now,
    deps: {
      clock: {
        monotonic: () => now,
        sleep: async (ms: number) => {
          now += ms;
          onSleep();
        },
      },
      log: pino({ level: 'info' }, { write: (line: string) => log.push(JSON.parse(line)) }),
    },
  };
}

describe('a bucket', () => {
  it('that works passes, and nothing is left in it', async () => {
    await using scene = await openS3Scene(server);
    const { deps, log } = surroundings();
    await checkBucket(scene.place, deps);
    expect(log).toEqual([]);
    const calls = scene.asked().map((request) => request.replace(/\.check\/.*/, 'probe'));
    expect(calls.slice(1, 4)).toEqual(['PUT probe', 'GET probe', 'DELETE probe']);
    expect(calls).toHaveLength(6);
  });

  it('that does not exist is named', async () => {
    const { deps } = surroundings();
    const place = { ...server.place(), bucket: 'easel-none' };
    await expect(checkBucket(place, deps)).rejects.toEqual(
      new UnusableBucketError('the bucket easel-none does not exist; make it or correct S3_BUCKET'),
    );
  });

  it.each<[string, (request: S3Request) => boolean]>([
    ['s3:ListBucket', ({ query }) => query.has('list-type')],
    ['s3:PutObject', ({ method }) => method === 'PUT'],
    ['s3:GetObject', ({ method, key }) => method === 'GET' && key.includes('.check')],
    ['s3:DeleteObject', ({ method }) => method === 'DELETE'],
  ])('without the right %s is refused with its name', async (right, concerns) => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = (request) => (concerns(request) ? { kind: 'refuse', status: 403, code: 'AccessDenied' } : null);
    const sentence = `access to the bucket ${scene.place.bucket} is denied; give the credentials the right ${right}`;
    await expect(checkBucket(scene.place, surroundings().deps)).rejects.toEqual(new UnusableBucketError(sentence));
  });

  it.each<[string, S3Fault, string]>([
    [
      'a redirect that names the region',
      { kind: 'refuse', status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-3' } },
      'is in the region eu-west-3 and not in us-east-1; correct S3_REGION',
    ],
    [
      'a signature for the wrong region',
      {
        kind: 'refuse',
        status: 400,
        code: 'AuthorizationHeaderMalformed',
        message: "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-3'",
      },
      'is in the region eu-west-3 and not in us-east-1; correct S3_REGION',
    ],
    [
      'expired credentials',
      { kind: 'refuse', status: 403, code: 'ExpiredToken' },
      'have expired; renew them (ExpiredToken)',
    ],
    [
      'a wrong key',
      { kind: 'refuse', status: 403, code: 'SignatureDoesNotMatch' },
      'does not accept the credentials; correct them (SignatureDoesNotMatch)',
    ],
  ])('is refused after %s', async (_what, fault, sentence) => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = () => fault;
    await expect(checkBucket(scene.place, surroundings().deps)).rejects.toMatchObject({
      name: 'UnusableBucketError',
      message: expect.stringContaining(sentence),
    });
  });

  it('with Object Lock is refused, as nothing could be deleted', async () => {
    await using scene = await openS3Scene(server);
    const body = '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>';
    scene.proxy.fault = ({ query }) => (query.has('object-lock') ? { kind: 'answer', body } : null);
    await expect(checkBucket(scene.place, surroundings().deps)).rejects.toMatchObject({
      name: 'UnusableBucketError',
      message: expect.stringContaining('has Object Lock, under which pictures cannot be deleted'),
    });
  });

  it('that keeps versions is used, and the log says so', async () => {
    await using scene = await openS3Scene(server);
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    scene.proxy.fault = ({ query }) => (query.has('versioning') ? { kind: 'answer', body } : null);
    const { deps, log } = surroundings();
    await checkBucket(scene.place, deps);
    expect(log).toMatchObject([{ bucket: scene.place.bucket, msg: expect.stringContaining('keeps the versions') }]);
  });

  it('whose server does not know of locks and versions is used', async () => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = ({ query }) =>
      query.has('object-lock') || query.has('versioning')
        ? { kind: 'refuse', status: 501, code: 'NotImplemented' }
        : null;
    const { deps, log } = surroundings();
    await checkBucket(scene.place, deps);
    expect(log).toEqual([]);
  });
});

describe('a server', () => {
  it('that cannot be reached yet is tried for 30 s', async () => {
    await using refusing = await refusingPort();
    const { deps, slept, log } = surroundings();
    const place = { ...server.place(), endpoint: `http://127.0.0.1:${refusing.port}` };
    await expect(checkBucket(place, deps)).rejects.toMatchObject({
      name: 'UnusableBucketError',
      message: expect.stringContaining('the S3 server cannot be reached'),
    });
    expect(slept()).toBe(30_000);
    expect(log).toHaveLength(1);
  });

  it('that comes meanwhile is used', async () => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = () => ({ kind: 'refuse', status: 500, code: 'InternalError' });
    const { deps, slept } = surroundings(() => {
      if (slept() === 3_000) scene.proxy.fault = () => null;
    });
    await checkBucket(scene.place, deps);
    expect(slept()).toBe(3_000);
  });
});
