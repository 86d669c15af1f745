import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeys } from '../../../../src/adapters/storage/s3/keys.ts';
import type { S3Store } from '../../../../src/adapters/storage/s3/store.ts';
import { PART_BYTES } from '../../../../src/adapters/storage/s3/writing.ts';
import { bytes, listed, text } from '../../../contracts/media-store.ts';
import { openS3Scene } from '../../../support/s3/scene.ts';
import { type S3Server, startS3Server } from '../../../support/s3/server.ts';
import { until } from '../../../support/until.ts';

let server: S3Server;

beforeAll(async () => {
  server = await startS3Server();
});

afterAll(() => server[Symbol.asyncDispose]());

const GOOD_FOR_A_MINUTE = { seconds: 60, method: 'GET', contentType: 'image/png', cacheControl: 'private' } as const;

async function urlOf(store: S3Store, name: string): Promise<string> {
  return store.signedUrl(name, GOOD_FOR_A_MINUTE);
}

it('says where a file is, as an operator looks for it', async () => {
  await using scene = await openS3Scene(server);
  const { bucket, prefix } = scene.place;
  expect(scene.store.pathOf('a.png')).toMatch(new RegExp(`^s3://${bucket}/${prefix}/[0-9a-f]{2}/a\\.png$`));
});

it('takes one request for what one request can do', async () => {
  await using scene = await openS3Scene(server);
  await scene.store.put('a.png', bytes('12345'));
  expect(scene.asked()).toEqual(['PUT a.png']);
  await scene.store.read('a.png');
  expect(scene.asked()).toEqual(['GET a.png']);
  const opened = await scene.store.open('a.png', { start: 1, end: 2 });
  expect([opened?.bytes, (await opened?.stream().toArray())?.join('')]).toEqual([5, '23']);
  await opened?.close();
  expect(scene.asked()).toEqual(['GET a.png']);
  expect(await scene.store.read('none.png')).toBeNull();
  expect(await scene.store.open('none.png')).toBeNull();
  expect(scene.asked()).toEqual(['GET none.png', 'GET none.png']);
  await scene.store.remove(['a.png']);
  expect(scene.asked()).toEqual(['DELETE a.png']);
  expect(await scene.store.freeBytes()).toBeNull();
  expect(scene.asked()).toEqual([]);
});

it('looks once whether the bucket works for all who ask meanwhile, and again for the next', async () => {
  await using scene = await openS3Scene(server);
  const calls = () => scene.asked().map((request) => request.replace(/\.check.*/, 'probe'));
  const ONE = ['PUT probe', 'HEAD probe', 'DELETE probe'];
  await Promise.all(Array.from({ length: 50 }, () => scene.store.check(1)));
  expect(calls()).toEqual(ONE);
  scene.proxy.fault = ({ method }) => (method === 'PUT' ? { kind: 'refuse', status: 403, code: 'AccessDenied' } : null);
  const refused = await Promise.allSettled([scene.store.check(1), scene.store.check(1)]);
  expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  scene.proxy.fault = () => null;
  calls();
  await scene.store.check(1);
  expect(calls()).toEqual(ONE);
});

it('keeps the connection where little is left unread, and ends it where much is', async () => {
  await using scene = await openS3Scene(server);
  const large = new Uint8Array(7_000_000);
  await scene.store.put('a.png', large);
  for (let turn = 0; turn < 5; turn++) await (await scene.store.open('a.png', { start: 0, end: 0 }))?.close();
  // One for the write, one for the reads.
  expect(scene.proxy.connections()).toEqual({ open: 2, made: 2 });
  await (await scene.store.open('a.png'))?.close();
  await until(() => scene.proxy.connections().open === 1);
  expect(await scene.store.read('a.png')).toHaveLength(large.length);
  expect(scene.proxy.connections()).toEqual({ open: 2, made: 3 });
});

it('sends the checksum, the type and how long a picture may be kept', async () => {
  await using scene = await openS3Scene(server);
  await scene.store.put('a.webp', bytes('abc'));
  const [request] = scene.proxy.requests;
  expect(request?.headers).toMatchObject({
    'content-type': 'image/webp',
    // The picture may be made again, and has the same name then.
    'cache-control': 'public, max-age=300, must-revalidate',
    'content-length': '3',
    'x-amz-checksum-sha256': 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=',
  });
  await scene.store.put('originals/a~1', bytes('abc'));
  const name = 'a~0123456789abcdef.png';
  await scene.store.publish([{ name, from: 'originals/a~1' }]);
  const [original, published] = await Promise.all(
    ['originals/a~1', name].map(async (name) => (await fetch(await urlOf(scene.store, name))).headers),
  );
  expect(original?.get('cache-control')).toBe('private, no-store');
  expect(published?.get('content-type')).toBe('image/png');
  expect(published?.get('cache-control')).toBe('public, max-age=31536000, immutable');
});

describe('publish', () => {
  it('copies inside the bucket, and stores the master last', async () => {
    await using scene = await openS3Scene(server);
    await scene.store.put('originals/a~1', bytes('original'));
    scene.asked();
    await scene.store.publish([
      { name: 'a.png', from: 'originals/a~1' },
      { name: 'a@1x1.png', bytes: bytes('1') },
      { name: 'a@2x2.png', bytes: bytes('2') },
    ]);
    const asked = scene.asked();
    expect(asked.toSorted()).toEqual(['HEAD originals/a~1', 'PUT a.png', 'PUT a@1x1.png', 'PUT a@2x2.png']);
    expect([asked[0], asked.at(-1)]).toEqual(['HEAD originals/a~1', 'PUT a.png']);
    expect(scene.proxy.requests.at(-1)?.headers['content-length'] ?? '0').toBe('0');
    expect(await text(scene.store, 'a.png')).toBe('original');
  });

  it('does not store the master where a rendition cannot be stored', async () => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = ({ key }) => (key.includes('@') ? { kind: 'refuse', status: 403, code: 'AccessDenied' } : null);
    const files = [
      { name: 'a.png', bytes: bytes('a') },
      { name: 'a@1x1.png', bytes: bytes('1') },
    ];
    await expect(scene.store.publish(files)).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(scene.asked()).not.toContain('PUT a.png');
  });

  it('copies through this process where the server does not copy', async () => {
    await using scene = await openS3Scene(server);
    await scene.store.put('originals/a~1', bytes('original'));
    scene.proxy.fault = ({ headers }) =>
      headers['x-amz-copy-source'] ? { kind: 'refuse', status: 501, code: 'NotImplemented' } : null;
    await scene.store.publish([{ name: 'a.png', from: 'originals/a~1' }]);
    expect(await text(scene.store, 'a.png')).toBe('original');
  });

  it('of one name by two stores at once leaves one whole version', async () => {
    await using one = await openS3Scene(server);
    await using other = await openS3Scene(server, { prefix: one.place.prefix });
    const versions = ['a', 'b'].map((letter) => letter.repeat(500_000));
    for (let turn = 0; turn < 5; turn++) {
      const [first = '', second = ''] = versions;
      await Promise.all([
        one.store.publish([{ name: 'a.png', bytes: bytes(first) }]),
        other.store.publish([{ name: 'a.png', bytes: bytes(second) }]),
      ]);
      expect(versions).toContain(await text(one.store, 'a.png'));
    }
  });
});

describe('a large file', () => {
  const large = new Uint8Array(2 * PART_BYTES + 5).map((_, index) => index * 13);

  it('is sent in parts and read as one', async () => {
    await using scene = await openS3Scene(server);
    await scene.store.put('a.png', large);
    const parts = scene.proxy.requests.filter(({ query }) => query.has('partNumber'));
    expect(parts).toHaveLength(3);
    expect(parts.every(({ headers }) => headers['x-amz-checksum-sha256'] !== undefined)).toBe(true);
    expect(Buffer.compare((await scene.store.read('a.png')) ?? bytes(''), large)).toBe(0);
    expect(await scene.store.usedBytes()).toBe(large.length);
    expect(scene.proxy.uploads.size).toBe(0);
  });

  it('leaves no parts where one cannot be sent', async () => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = ({ query }) =>
      query.get('partNumber') === '2' ? { kind: 'refuse', status: 403, code: 'ExpiredToken' } : null;
    await expect(scene.store.put('a.png', large)).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(scene.asked().some((request) => request === 'POST a.png')).toBe(true);
    expect(scene.proxy.uploads.size).toBe(0);
    expect(await scene.store.read('a.png')).toBeNull();
  });

  it('whose last answer is lost can be sent again', async () => {
    await using scene = await openS3Scene(server);
    let lost = 0;
    scene.proxy.fault = ({ method, query }) => {
      if (method !== 'POST' || !query.has('uploadId') || lost > 0) return null;
      lost += 1;
      return { kind: 'fail-after', status: 500, code: 'InternalError' };
    };
    // S3 no longer knows the upload, so that the SDK's own second try fails.
    await scene.store
      .put('a.png', large)
      .catch((error) => expect(error).toMatchObject({ code: 'storage_unavailable' }));
    expect(lost).toBe(1);
    await scene.store.put('a.png', large);
    expect(Buffer.compare((await scene.store.read('a.png')) ?? bytes(''), large)).toBe(0);
  });

  it('whose sender died leaves parts, which are removed a day later', async () => {
    await using scene = await openS3Scene(server);
    const key = `${scene.place.prefix}/3f/a.png`;
    const day = 86_400_000;
    scene.proxy.uploads.set('old', { key, initiated: new Date(Date.now() - day - 60_000) });
    scene.proxy.uploads.set('young', { key, initiated: new Date(Date.now() - day + 600_000) });
    scene.proxy.uploads.set('foreign', { key: 'elsewhere/a.png', initiated: new Date(0) });
    // The server does not know the upload, as after the removal by another replica.
    scene.proxy.fault = ({ method }) =>
      method === 'DELETE' ? { kind: 'refuse', status: 404, code: 'NoSuchUpload' } : null;
    await scene.store.removeTemporary();
    const aborted = scene.proxy.requests
      .filter(({ method }) => method === 'DELETE')
      .map(({ query }) => query.get('uploadId'));
    expect(aborted).toEqual(['old']);
  });
});

describe('many files', () => {
  it('are listed in pages, those of others with names that no method takes, and removed a thousand at a time', async () => {
    await using scene = await openS3Scene(server);
    const names = Array.from({ length: 1_003 }, (_, index) => `a-${index}.png`);
    const keys = createKeys(scene.place.prefix);
    await server.fill(scene.place, names.map(keys.of), '12');
    await scene.write('/readme.png', 'theirs');
    await scene.write('x/a.png', 'of another prefix');
    scene.asked();
    const files = await listed(scene.store);
    expect(scene.asked()).toHaveLength(2);
    expect(files.map(({ name }) => name).filter((name) => !name.startsWith('/'))).toEqual(names.toSorted());
    expect(files.find(({ name }) => name.startsWith('/'))).toMatchObject({ name: '/readme.png', bytes: 6 });
    expect(await scene.store.usedBytes()).toBe(2 * names.length + 6);
    scene.asked();
    await scene.store.remove(names);
    expect(scene.asked()).toEqual(['POST delete', 'POST delete']);
    expect((await listed(scene.store)).map(({ name }) => name)).toEqual(['/readme.png']);
  });

  it('are removed one by one where the server knows no other way', async () => {
    await using scene = await openS3Scene(server);
    const names = ['a.png', 'b.png', 'c.png'];
    for (const name of names) await scene.store.put(name, bytes('1'));
    scene.proxy.fault = ({ query }) =>
      query.has('delete') ? { kind: 'refuse', status: 501, code: 'NotImplemented' } : null;
    scene.asked();
    await scene.store.remove(names);
    expect(scene.asked()).toEqual(['POST delete', ...names.map((name) => `DELETE ${name}`)]);
    await scene.store.remove(names);
    expect(scene.asked()).toEqual(names.map((name) => `DELETE ${name}`));
    expect(await listed(scene.store)).toEqual([]);
  });

  it('are removed but for those that cannot be, whose error is raised', async () => {
    await using scene = await openS3Scene(server);
    const names = ['a.png', 'b.png', 'c.png'];
    for (const name of names) await scene.store.put(name, bytes('1'));
    expect(await scene.store.usedBytes()).toBe(3);
    const key = new URL(scene.store.pathOf('b.png')).pathname.slice(1);
    const body = `<DeleteResult><Error><Key>${key}</Key><Code>AccessDenied</Code></Error></DeleteResult>`;
    scene.proxy.fault = ({ query }) => (query.has('delete') ? { kind: 'answer', body } : null);
    await expect(scene.store.remove(names)).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining('denied'),
    });
    scene.proxy.fault = () => null;
  });
});

it('removes what dead checks left, and not those of now', async () => {
  await using scene = await openS3Scene(server);
  await scene.store.check(1_000);
  const asked = scene.asked();
  expect(asked.map((request) => request.split(' ')[0])).toEqual(['PUT', 'HEAD', 'DELETE']);
  await scene.write('/.check/1', 'of now');
  scene.asked();
  await scene.store.removeTemporary();
  expect(scene.asked().filter((request) => !request.startsWith('GET'))).toEqual([]);
});

describe('a signed URL', () => {
  it('gives the file with the headers that it names, for its method and time alone', async () => {
    await using scene = await openS3Scene(server);
    await scene.store.put('a b.png', bytes('abc'));
    const url = new URL(await urlOf(scene.store, 'a b.png'));
    expect(await (await fetch(url)).text()).toBe('abc');
    expect(url.searchParams.get('X-Amz-Expires')).toBe('60');
    expect(url.searchParams.get('response-content-type')).toBe('image/png');
    expect(url.searchParams.get('response-cache-control')).toBe('private');
    url.searchParams.delete('X-Amz-Signature');
    expect((await fetch(url)).status).toBe(403);
    const head = await scene.store.signedUrl('a b.png', { ...GOOD_FOR_A_MINUTE, method: 'HEAD' });
    expect((await fetch(head, { method: 'HEAD' })).headers.get('content-length')).toBe('3');
    await expect(urlOf(scene.store, '../a.png')).rejects.toThrow(TypeError);
  });
});
