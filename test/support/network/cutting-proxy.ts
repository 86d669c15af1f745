import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from '../temporary-folder.ts';
import { until } from '../until.ts';

/** A proxy that answers 504 where its upstream says nothing for too long, as proxies and CDNs do. */
export interface CuttingProxy extends AsyncDisposable {
  readonly url: string;
}

/** A proxy of Node's own. `idle` ends when the proxy has waited long enough for the head of an answer, unless the signal fires. */
export async function startCuttingProxy(
  target: string,
  idle: (signal: AbortSignal) => Promise<void>,
): Promise<CuttingProxy> {
  const proxy = createServer((incoming, outgoing) => {
    const { method, headers, url = '' } = incoming;
    const answered = new AbortController();
    const forwarded = httpRequest(target + url, { method, headers }, (answer) => {
      answered.abort();
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    // The upstream sees a proxy that cuts as a client that leaves.
    forwarded.on('error', () => outgoing.destroy());
    outgoing.once('close', () => answered.abort());
    incoming.pipe(forwarded);
    void idle(answered.signal).then(
      () => {
        outgoing.writeHead(504, { 'content-type': 'text/html' }).end('<h1>504 Gateway Time-out</h1>');
        forwarded.destroy();
      },
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/** True where nginx is on this machine. */
export const HAS_NGINX = spawnSync('nginx', ['-v']).error === undefined;

/** A real nginx in front of `target`, with this `proxy_read_timeout`. */
export async function startNginx(target: string, readTimeoutSeconds: number): Promise<CuttingProxy> {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await temporaryFolder());
  const port = await freePort();
  const file = join(folder.path, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder.path}/${kind};`,
  );
  await writeFile(
    file,
    `daemon off; master_process off; pid ${folder.path}/nginx.pid; error_log stderr;
     events { worker_connections 1024; }
     http {
       access_log off; ${temporary.join(' ')}
       server {
         listen 127.0.0.1:${port};
         location / { proxy_pass ${target}; proxy_read_timeout ${readTimeoutSeconds}s; proxy_set_header Host $http_host; }
       }
     }`,
  );
  const nginx = spawn('nginx', ['-c', file, '-p', folder.path, '-e', 'stderr'], { stdio: 'ignore' });
  const ended = once(nginx, 'exit');
  parts.defer(async () => {
    nginx.kill();
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${url}/health/live`).catch(() => null))?.ok);
  const owned = parts.move();
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
