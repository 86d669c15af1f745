import { join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { createLocalLocks } from '../../../src/adapters/locks/local.ts';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { createBytesInHand } from '../../../src/core/domain/bytes-in-hand.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { inputName, sha256 } from '../../../src/core/domain/file-names.ts';
import { ANONYMOUS, type CreateImage } from '../../../src/core/domain/request.ts';
import { protectInputs } from '../../../src/core/inputs/input-holds.ts';
import { createTakeInputs } from '../../../src/core/inputs/intake.ts';
import type { MediaStore } from '../../../src/core/ports/media-store.ts';
import { aRequest } from '../../contracts/record-store/example-images.ts';
import { openRecords } from '../../support/app/records.ts';
import { texturedPicture } from '../../support/pictures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTestClock } from '../../support/test-clock.ts';

let logo: Buffer;
let chair: Buffer;

beforeAll(async () => {
  logo = await texturedPicture({ width: 32, height: 32, seed: 'logo' });
  chair = await texturedPicture({ width: 32, height: 32, seed: 'chair' });
});

/** Takes inputs into a real store; URLs give the bytes of `pages`. */
async function openIntake(options: { readonly memoryBytes?: number; readonly put?: MediaStore['put'] } = {}) {
  const folder = await temporaryFolder();
  const records = openRecords(folder.path);
  onTestFinished(async () => {
    await records.close();
    await folder[Symbol.asyncDispose]();
  });
  const pages: Record<string, () => Promise<Uint8Array>> = {};
  const disk = await createDiskStore({ root: join(folder.path, 'media') });
  const { store, ...holds } = protectInputs(
    { ...disk, put: options.put ?? disk.put },
    { records, locks: createLocalLocks(), clock: createTestClock() },
  );
  const takeInputs = createTakeInputs({
    records,
    store,
    holds,
    imaging: createImaging(),
    references: new Map(),
    fetcher: {
      async fetch(url, { onBytes }) {
        const bytes = (await pages[url]?.()) ?? new Uint8Array();
        onBytes?.(bytes.byteLength);
        return bytes;
      },
    },
    limitsOf: () => ({ images: 16, imageBytes: 1_000_000, maskBytes: 1_000_000 }),
    inHand: createBytesInHand(options.memoryBytes ?? 1_000_000),
  });
  const take = (create: CreateImage) => takeInputs(create, aRequest(), ANONYMOUS);
  return { take, store, pages };
}

it('leaves a request without inputs as it is', async () => {
  const { take } = await openIntake();
  for (const inputs of [undefined, null, []]) {
    using taken = await take({ inputs });
    expect(taken.request).toEqual(aRequest());
    await taken.store();
  }
});

it('holds what it has stored until it is disposed of', async () => {
  const { take, store } = await openIntake();
  const name = inputName(sha256(logo));
  const taken = await take({ inputs: [{ file: 'a', bytes: logo }] });
  expect(await store.read(name)).toBeNull();
  await taken.store();
  const removal = store.remove([name]);
  // Of another request, which leaves the removal the time to be done.
  using other = await take({ inputs: [{ file: 'b', bytes: chair }] });
  await other.store();
  expect(await store.read(name)).not.toBeNull();
  taken[Symbol.dispose]();
  await removal;
  expect(await store.read(name)).toBeNull();
});

it('removes what it has stored again where it is discarded, and nothing else', async () => {
  const { take, store } = await openIntake();
  const inputs = [logo, chair].map((bytes) => ({ file: 'a', bytes }));
  using other = await take({ inputs: inputs.slice(1) });
  using refused = await take({ inputs });
  await refused.store();
  await refused.discard();
  const stored = () =>
    Promise.all([logo, chair].map(async (bytes) => (await store.read(inputName(sha256(bytes)))) !== null));
  expect(await stored()).toEqual([false, false]);
  await other.store();
  using unstored = await take({ inputs });
  await unstored.discard();
  expect(await stored()).toEqual([false, true]);
});

it('holds nothing where it cannot be stored', async () => {
  const full = async () => {
    throw new ImageError('storage_full', 'the disk is full');
  };
  const { take, store } = await openIntake({ put: full });
  using taken = await take({ inputs: [{ file: 'a', bytes: logo }] });
  await expect(taken.store()).rejects.toMatchObject({ code: 'storage_full' });
  await store.remove([inputName(sha256(logo))]);
});

it('refuses what goes beyond the memory for pictures of several requests, until others are done or have failed', async () => {
  const { take, pages } = await openIntake({ memoryBytes: logo.length + chair.length });
  pages.logo = async () => logo;
  pages.chair = async () => chair;
  const two = { inputs: [{ url: 'logo' }, { url: 'chair' }] };
  const first = await take(two);
  await expect(take(two)).rejects.toMatchObject({ code: 'queue_full', paths: [{ path: 'inputs.0' }] });
  // What came with its request is in memory already.
  (await take({ inputs: [{ file: 'a', bytes: logo }] }))[Symbol.dispose]();
  first[Symbol.dispose]();
  await expect(take({ inputs: [{ url: 'logo' }, { url: 'nothing' }] })).rejects.toMatchObject({
    code: 'invalid_request',
    paths: [{ path: 'inputs.1' }],
  });
  (await take(two))[Symbol.dispose]();
});

it('refuses pictures that are too many bytes for one request together, wherever they come from', async () => {
  const { take, pages } = await openIntake({ memoryBytes: logo.length + chair.length - 1 });
  pages.logo = async () => logo;
  pages.chair = async () => chair;
  const file = { file: 'a', bytes: logo };
  for (const inputs of [
    [file, { file: 'b', bytes: chair }],
    [file, { url: 'chair' }],
  ]) {
    await expect(take({ inputs })).rejects.toMatchObject({ code: 'payload_too_large', paths: [{ path: 'inputs' }] });
  }
  const fetched = take({ inputs: [{ url: 'logo' }, { url: 'chair' }] });
  await expect(fetched).rejects.toMatchObject({ code: 'payload_too_large', paths: [{ path: 'inputs.1' }] });
  (await take({ inputs: [file, file, { url: 'logo' }] }))[Symbol.dispose]();
});

it('names the first wrong input in their order, once none is read any more', async () => {
  const { take, pages } = await openIntake();
  const slow = Promise.withResolvers<Uint8Array>();
  pages.slow = () => slow.promise;
  const taking = take({ inputs: [{ url: 'slow' }, { url: 'nothing' }, { file: 'a', bytes: logo }] });
  slow.resolve(Buffer.from('no picture'));
  await expect(taking).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringMatching(/^inputs\.0: the bytes are no PNG/),
    paths: [{ path: 'inputs.0' }],
  });
});

it('passes an error that is no one of a picture', async () => {
  const { take, pages } = await openIntake();
  const fault = new TypeError('a defect');
  pages.a = async () => {
    throw fault;
  };
  await expect(take({ inputs: [{ url: 'a' }] })).rejects.toBe(fault);
});
