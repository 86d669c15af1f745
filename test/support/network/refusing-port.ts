import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/**
 * A port of 127.0.0.1 that refuses connections for as long as it is held. It is the local end of an open connection: nothing listens on
 * it, and the system gives it to no other process, as it may give a port that was freed.
 */
export async function refusingPort(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  return {
    port: client.localPort ?? Number.NaN,
    async [Symbol.asyncDispose]() {
      accepted.destroy();
      client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
