import { afterAll, beforeAll } from 'vitest';
import { createS3Store, type S3Store } from '../../../../src/adapters/storage/s3/store.ts';
import { describeMediaStore } from '../../../contracts/media-store.ts';
import { type S3Server, startS3Server } from '../../../support/s3/server.ts';

let server: S3Server;

beforeAll(async () => {
  server = await startS3Server();
});

afterAll(() => server[Symbol.asyncDispose]());

describeMediaStore('S3', async () => {
  const place = server.place();
  const stores: S3Store[] = [];
  return {
    async open() {
      const store = createS3Store(place);
      stores.push(store);
      return store;
    },
    async dispose() {
      for (const store of stores) {
        for await (const { name } of store.list()) await store.remove([name]);
        store.close();
      }
    },
  };
});
