/** A TCP proxy that stands between a process and a server, and behaves as a bad network does when it is asked to. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * What the network does. `stalled`: nothing passes, in either direction, and a connection attempt is accepted and hangs, as behind a
 * firewall that drops packets. `refused`: each connection attempt is reset.
 */
export type NetworkState = 'open' | 'stalled' | 'refused';

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that are open. */
  readonly open: number;
  /** Sets the state. A connection that was stalled goes on where it was once the network is open again. */
  set(state: NetworkState): void;
  /** Resets every connection, without a word to either side before. */
  reset(): void;
}

/** Forwards every connection to this port of loopback. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  let state: NetworkState = 'open';
  const pairs = new Set<readonly [Socket, Socket]>();

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    if (state === 'refused') {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    forward(client, upstream);
    forward(upstream, client);
    if (state === 'open') client.resume();
    else pause(pair);
  });

  /** What arrives goes on to the other side; an end of one side is an end for both. */
  function forward(from: Socket, to: Socket): void {
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (state === 'open') from.resume();
    });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => {
      to.destroy();
      for (const pair of pairs) if (pair.includes(from)) pairs.delete(pair);
    });
  }

  const pause = (pair: readonly [Socket, Socket]) => {
    for (const socket of pair) socket.pause();
  };
  const reset = () => {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get open() {
      return pairs.size;
    },
    set(next) {
      state = next;
      if (state === 'stalled') for (const pair of pairs) pause(pair);
      if (state === 'open') for (const pair of pairs) for (const socket of pair) socket.resume();
      if (state === 'refused') reset();
    },
    reset,
    async [Symbol.asyncDispose]() {
      reset();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
