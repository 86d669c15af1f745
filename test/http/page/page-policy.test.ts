import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createS3Store } from '../../../src/adapters/storage/s3/store.ts';
import { createPagePolicy } from '../../../src/http/page/page-policy.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { picturesOf } from '../../support/app/pictures-in.ts';
import { pageFolder } from '../../support/page/page-folder.ts';
import { openS3Scene } from '../../support/s3/scene.ts';
import { LONG_TIMEOUTS, type S3Server, startS3Server } from '../../support/s3/server.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server[Symbol.asyncDispose]());

const OWN = "img-src 'self' data: blob:;";
const silent = pino({ level: 'silent' });

describe('pictures of the page come from', () => {
  it.each([
    ['stream', null],
    ['redirect', 'bucket'],
  ] as const)('here, or with MEDIA_DELIVERY=redirect from the bucket, too: %s', async (mediaDelivery, from) => {
    await using scene = await openS3Scene(server);
    await using folder = await pageFolder();
    const pictures = picturesOf(scene.store, []);
    await using http = await openHttpApp({ pictures }, { mediaDelivery }, { pageFolder: folder.url });
    const policy = (await fetch(`http://127.0.0.1:${http.port}/`)).headers.get('content-security-policy') ?? '';
    const origin = new URL(scene.place.endpoint ?? '').origin;
    expect(policy).toContain(from === null ? OWN : `img-src 'self' data: blob: ${origin};`);
  });

  it('the host that a bucket has of its own', async () => {
    const place = { ...server.place(), endpoint: 'https://s3.example', forcePathStyle: false };
    const store = createS3Store({ ...place, timeouts: LONG_TIMEOUTS });
    const policy = await createPagePolicy(picturesOf(store, []), 'redirect', silent)();
    store.close();
    expect(policy).toContain(`img-src 'self' data: blob: https://${place.bucket}.s3.example;`);
  });

  it('here alone while the store signs no URL, which the log says', async () => {
    const warnings: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
    let fails = true;
    const signedUrl = async () => {
      if (fails) throw new Error('no credentials');
      return 'https://a.example/x.png?signature=1';
    };
    const pictures = {
      find: async () => null,
      makeThumbnail: async () => null,
      open: async () => null,
      read: async () => null,
      signedUrl,
    };
    const policy = createPagePolicy(pictures, 'redirect', logger);
    expect(await policy()).toContain(OWN);
    expect(warnings[0]).toContain('no credentials');
    fails = false;
    expect(await policy()).toContain(`img-src 'self' data: blob: https://a.example;`);
  });
});
