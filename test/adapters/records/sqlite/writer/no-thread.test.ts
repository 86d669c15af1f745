import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { run } from '../../../../../src/adapters/records/sqlite/writer/write.ts';
import { createWriter } from '../../../../../src/adapters/records/sqlite/writer/writer.ts';
import { temporaryFolder } from '../../../../support/temporary-folder.ts';

it('a write whose thread cannot be started may be tried again', async () => {
  await using folder = await temporaryFolder();
  let starts = 0;
  const writer = createWriter({ path: join(folder.path, 'a.db'), files: [] }, (...given) => {
    starts += 1;
    if (starts > 1) return new Worker(...given);
    // What Node raises where the system gives it no further thread.
    throw Object.assign(new Error('Worker initialization failure: EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' });
  });
  const write = () => writer.write({ steps: [run('CREATE TABLE a (b)', [])], waitMs: 0 });
  await expect(write()).rejects.toMatchObject({ name: 'WriterEndedError' });
  expect(await write()).toEqual({ stopped: null, row: null });
  await writer.close();
});
