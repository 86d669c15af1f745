import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A model API that takes every call and answers none: what was accepted stays queued. */
export async function startSilentServer(): Promise<{ readonly url: string; close(): void }> {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
