import type { S3Options } from '../../../src/adapters/storage/s3/client.ts';
import { createS3Store, type S3Store } from '../../../src/adapters/storage/s3/store.ts';
import { type FaultyProxy, startFaultyProxy } from './faulty-proxy.ts';
import type { S3Server } from './server.ts';

/** A store of its own, behind a proxy of its own. */
export interface S3Scene extends AsyncDisposable {
  readonly store: S3Store;
  readonly proxy: FaultyProxy;
  readonly place: ReturnType<S3Server['place']>;
  /** The requests since the last call, as `METHOD name`: of objects that are files, by their names; of others, by the end of the key. */
  asked(): readonly string[];
}

/** Opens a store with an empty prefix of the server's bucket. What it holds is removed with it. */
export async function openS3Scene(server: S3Server, options: Partial<S3Options> = {}): Promise<S3Scene> {
  const proxy = await startFaultyProxy(server.endpoint);
  const place = { ...server.place(), endpoint: proxy.endpoint };
  const store = createS3Store({ ...place, ...options });
  let seen = 0;
  return {
    store,
    proxy,
    place,
    asked() {
      const asked = proxy.requests.slice(seen).map(({ method, key, query }) => {
        const path = key.replace(`${place.prefix}/`, '').replace(/(?<=^|\/)[0-9a-f]{2}\//, '');
        return `${method} ${path || [...query.keys()].sort().join(',')}`;
      });
      seen = proxy.requests.length;
      return asked;
    },
    async [Symbol.asyncDispose]() {
      proxy.fault = () => null;
      const names = await Array.fromAsync(store.list(), ({ name }) => name);
      await store.remove(names.filter((name) => !name.startsWith('/')));
      store.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}
