import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** Where requests of this process seem to go: the path and the query of a URL count, its host is what answers call themselves. */
export const IN_PROCESS_URL = 'http://easel.invalid';
/** The peer of a connection from this process, in the place of an address, which no peer on a network has. */
const IN_PROCESS_PEER = 'in-process';
/** Names the address that a request of this process is made for. Of every other peer it means nothing. */
export const CALLER_ADDRESS = 'x-easel-caller-address';

/** The address of a caller: where the request was made in this process, of whom it is made for. */
export function callerAddress({ ip, headers, raw }: Pick<FastifyRequest, 'ip' | 'headers' | 'raw'>): string {
  const given = raw.socket.remoteAddress === IN_PROCESS_PEER ? headers[CALLER_ADDRESS] : undefined;
  return typeof given === 'string' ? given : ip;
}

/** The way from this process to its own API. */
export interface InProcess {
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

/** Answers that lead elsewhere. */
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/**
 * Opens a way to `app` without a port: what speaks HTTP to a running service works the same on one that does not listen. It is a Unix
 * socket, or a named pipe, that only this user can reach, so that answers are streamed, slow readers slow down, and a request that is
 * aborted counts as a client that has left, as over a network.
 */
export async function openInProcess(app: FastifyInstance): Promise<InProcess> {
  // avvio 9 raises a ReferenceError where this is asked again of an app that is ready and idle.
  if (!app.server.listening) await app.ready();
  // Loaded here: most services are never reached so.
  const { Agent, fetch: fetchBy } = await import('undici');
  const folder = await mkdtemp(join(tmpdir(), 'easel-'));
  const path = process.platform === 'win32' ? `\\\\.\\pipe\\${folder.replace(/\W/g, '-')}` : join(folder, 'api');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)));
    Object.defineProperty(socket, 'remoteAddress', { value: IN_PROCESS_PEER });
    app.server.emit('connection', socket);
  });
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  } catch (error) {
    // Such as a path that is longer than the name of a socket can be.
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  // The connections keep the process alive while they have work, the socket that they come from does not.
  server.unref();
  // A picture may take as long as it takes: what limits a wait is the request's own signal.
  const agent = new Agent({ connect: { socketPath: path }, headersTimeout: 0, bodyTimeout: 0 });
  return {
    async fetch(input, init) {
      const request = new Request(input, init);
      const { method, headers, body, signal } = request;
      const { pathname, search, origin } = new URL(request.url);
      const options = { method, headers: [...headers], body, signal, redirect: 'manual', duplex: 'half' } as const;
      const answer = await fetchBy(`${origin.replace(/^https:/, 'http:')}${pathname}${search}`, {
        ...(options as object),
        dispatcher: agent,
      });
      const elsewhere = answer.headers.get('location');
      if (request.redirect !== 'follow' || !REDIRECTS.includes(answer.status) || !/^https?:/i.test(elsewhere ?? '')) {
        return answer as unknown as Response;
      }
      // Such as the bucket of a picture. What the request bears, its key above all, is not for others.
      await answer.body?.cancel();
      return await globalThis.fetch(elsewhere ?? '', { signal });
    },
    async close() {
      await agent.destroy();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
