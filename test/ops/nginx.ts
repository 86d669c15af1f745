import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

/** An nginx over one replica on loopback. */
export interface Nginx extends AsyncDisposable {
  readonly url: string;
}

/** Starts nginx with the configuration, in which its port, its folder and its upstream are replaced by those of a test. */
export async function startNginx(configuration: string, upstream: number): Promise<Nginx> {
  const folder = await temporaryFolder();
  const port = await freePort();
  const path = join(folder.path, 'nginx.conf');
  const own = configuration
    .replace('listen 8080;', `listen 127.0.0.1:${port};`)
    .replace('http://replica:3000', `http://127.0.0.1:${upstream}`)
    .replaceAll('/tmp/', `${folder.path}/`)
    .replace('worker_processes auto;', 'worker_processes 1; daemon off; user root;');
  await writeFile(path, own);
  const child = spawn('nginx', ['-c', path], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  const answers = () =>
    fetch(`${url}/health/live`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(async () => child.exitCode !== null || (await answers()));
  return {
    url,
    async [Symbol.asyncDispose]() {
      const ended = child.exitCode === null ? once(child, 'exit') : Promise.resolve();
      child.kill('SIGTERM');
      await ended;
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
