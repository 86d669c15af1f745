import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkBucket, UnusableBucketError } from '../../../../src/adapters/storage/s3/check-bucket.ts';
import { refusingPort } from '../../../support/network/refusing-port.ts';
import type { S3Fault, S3Request } from '../../../support/s3/faulty-proxy.ts';
import { openS3Scene } from '../../../support/s3/scene.ts';
import { type S3Place, type S3Server, startS3Server } from '../../../support/s3/server.ts';

let server: S3Server;

beforeAll(async () => {
  server = await startS3Server();
});

afterAll(() => server[Symbol.asyncDispose]());

const NO_CREDENTIALS = Object.assign(new Error('none'), { name: 'CredentialsProviderError' });

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
      'a signature of another time',
      { kind: 'refuse', status: 403, code: 'RequestTimeTooSkewed' },
      'the clock of this machine is wrong; set it right (RequestTimeTooSkewed)',
    ],
    [
      'another refusal',
      { kind: 'refuse', status: 403, code: 'AllAccessDisabled' },
      'is denied; give the credentials the right s3:ListBucket',
    ],
    [
      'an answer that is not XML',
      { kind: 'answer', body: 'welcome' },
      'the answer is not one of an S3 server: @aws-sdk XML parse error: unexpected content.; correct S3_ENDPOINT',
    ],
    [
      'the page of a web server',
      { kind: 'answer', body: '<html>welcome</html>' },
      'the server gives other content than it was given: it is no S3 server; correct S3_ENDPOINT',
    ],
    [
      'a wrong key',
      { kind: 'refuse', status: 403, code: 'SignatureDoesNotMatch' },
      'does not accept the credentials; correct them (SignatureDoesNotMatch)',
    ],
  ])('is refused after %s', async (_what, fault, sentence) => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = () => fault;
    const error = await checkBucket(scene.place, surroundings().deps).catch((raised: unknown) => raised);
    expect(error).toMatchObject({ name: 'UnusableBucketError', message: expect.stringContaining(sentence) });
    expect((error as Error).message).not.toContain('\n');
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

  it.each<[string, Partial<S3Place>, string]>([
    [
      'that does not speak TLS',
      { endpoint: 'https:' },
      'the encrypted connection to the S3 server cannot be made: the server does not speak TLS; correct S3_ENDPOINT',
    ],
    [
      'that nothing can be signed for',
      { credentials: (() => Promise.reject(NO_CREDENTIALS)) as never },
      'there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    ],
  ])('%s is refused at once', async (_what, { endpoint, ...parts }, sentence) => {
    const { deps, slept } = surroundings();
    const place = { ...server.place(), ...parts };
    const url = Object.assign(new URL(place.endpoint), endpoint === undefined ? {} : { protocol: endpoint });
    await expect(checkBucket({ ...place, endpoint: url.href }, deps)).rejects.toEqual(
      new UnusableBucketError(sentence),
    );
    expect(slept()).toBe(0);
  });

  it('that does not answer in time is named so', async () => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = () => ({ kind: 'hold', until: new Promise(() => undefined) });
    const { deps } = surroundings();
    await expect(checkBucket({ ...scene.place, timeouts: { answerMs: 20 } }, deps)).rejects.toEqual(
      new UnusableBucketError('the S3 server cannot be reached: it does not answer in time'),
    );
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
