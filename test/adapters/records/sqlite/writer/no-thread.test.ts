import { Worker } from 'node:worker_threads';
import { expect, it, vi } from 'vitest';
import { anImage } from '../../../../contracts/record-store/example-images.ts';
import { makePlaceForEach } from '../fixture.ts';

// Node raises this error where the system gives it no further thread.
vi.mock('node:worker_threads', async (load) => {
  const real = await load<typeof import('node:worker_threads')>();
  return { ...real, Worker: vi.fn(real.Worker) };
});

const place = makePlaceForEach();

it('a write whose thread cannot be started may be tried again', async () => {
  const records = place.open();
  const refused = Object.assign(new Error('Worker initialization failure: EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' });
  const refuse = () => {
    throw refused;
  };
  // The store itself tries twice.
  vi.mocked(Worker).mockImplementationOnce(refuse).mockImplementationOnce(refuse);
  const accept = () => records.accept(anImage({ mediaId: 'a' }), Infinity);
  await expect(accept()).rejects.toMatchObject({ code: 'storage_unavailable', isLasting: false });
  expect(await accept()).toEqual({ outcome: 'accepted' });
});
