/**
 * Pictures served per second and processor time for each, beside nginx on the same files and, where Easel answers from memory, a bare
 * node:http server that has its one file in memory. Needs /proc. The servers take turns in every case; the figure is the median of the rounds. All files are in the page
 * cache; `cold` is a second Easel that keeps no picture in memory. Each server is one process.
 */

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { answer } from '../test/support/openai/answers.ts';
import { startOpenAiServer } from '../test/support/openai/server.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { photo } from './support/photo.ts';
import { processorTime } from './support/processor-time.ts';
import { saveResults, type Table } from './support/results.ts';
import { type BenchProcess, makePicture, startEasel, startServer } from './support/service.ts';

const ROUNDS = 3;
const ROUND = ['--threads', '1', '--connections', '32', '--duration', '3s', '--timeout', '20s'];
const run = promisify(execFile);

await requireProgram('nginx', '-v');
await requireProgram('wrk', '-v');

await using folder = await temporaryFolder();
await using others = await temporaryFolder();
await using upstream = await startOpenAiServer();
const b64_json = (await photo()).toString('base64');
upstream.always(answer({ body: JSON.stringify({ data: [{ b64_json }] }), type: 'application/json' }));

const env = { OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl };
const request = { mediaId: 'bench', prompt: 'a lighthouse', renditions: ['1200x675.png', '256x144.webp'] };
await using easel = await startEasel(folder.path, env);
const { url: large, renditions } = await makePicture(easel.url, request);
const [medium, small] = renditions.map(({ url }) => url);
await using cold = await startEasel(others.path, { ...env, MEDIA_CACHE_BYTES: '0' });
await makePicture(cold.url, request);
await using nginx = await startNginx(folder.path);
await using bare = await startBare(small);
await using bareMedium = await startBare(medium);
await using bareLarge = await startBare(large);

console.log(
  'nginx and Easel write a line of log for each request, to a file. The bare server writes no log, has no request ids,',
);
console.log('no metrics and no look-up, and sends 3 headers of its own where Easel sends 14.');

const LARGE_AIMS = { hot: 0.9, cold: 0.5 };
const SMALL_AIM = 0.5;
const rows: Table['rows'][number][] = [];
await compare('small', small, { nginx, bare, easel }, SMALL_AIM);
await compare('304', small, { nginx, bare, easel }, SMALL_AIM, true);
await compare('1 MB hot', medium, { nginx, bare: bareMedium, easel }, LARGE_AIMS.hot);
await compare('4 MB hot', large, { nginx, bare: bareLarge, easel }, LARGE_AIMS.hot);
await compare('1 MB cold', medium, { nginx, easel: cold }, LARGE_AIMS.cold);
await compare('4 MB cold', large, { nginx, easel: cold }, LARGE_AIMS.cold);
await saveResults({
  tables: [
    {
      title: `Requests a second, 32 connections, the median of ${ROUNDS} rounds`,
      columns: ['what', 'bytes', 'Easel', 'bare node:http', 'nginx', 'share', 'aim', 'of'],
      rows,
    },
  ],
});

type Contenders = Readonly<{ nginx: BenchProcess; easel: BenchProcess; bare?: BenchProcess }>;

/** Runs one case. The aim is a share of the bare server's rate where there is one, else of nginx's. */
async function compare(
  what: string,
  path: string | null | undefined,
  servers: Contenders,
  aim: number,
  revalidate = false,
): Promise<void> {
  const figures = new Map<string, number[]>();
  const processor = new Map<string, number[]>();
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, { url, pid: started }] of Object.entries(servers)) {
      const pid = name === 'nginx' ? await workerOf(started) : started;
      const target = `${url}${path}`;
      const first = await fetch(target);
      bytes = (await first.arrayBuffer()).byteLength;
      const headers: Record<string, string> = revalidate ? { 'if-none-match': first.headers.get('etag') ?? '' } : {};
      const { status } = await fetch(target, { headers });
      if (status !== (revalidate ? 304 : 200)) throw new Error(`${name} answers ${target} with ${status}`);
      const before = await processorTime(pid);
      const { rate, requests } = await load(target, headers);
      const { user, system } = await processorTime(pid);
      figures.set(name, [...(figures.get(name) ?? []), rate]);
      const usedMs = user + system - before.user - before.system;
      processor.set(name, [...(processor.get(name) ?? []), (1000 * usedMs) / requests]);
    }
  }
  const rate = (name: string) => median(figures.get(name) ?? []);
  const parts = Object.keys(servers).map((name) => {
    const us = median(processor.get(name) ?? []);
    return `${name} ${Math.round(rate(name))}/s with ${us.toFixed(0)} µs of processor time each`;
  });
  const ratios = Object.keys(servers)
    .filter((name) => name !== 'easel')
    .map((name) => `${(rate('easel') / rate(name)).toFixed(2)} x ${name}`);
  const against = servers.bare ? 'bare' : 'nginx';
  const passed = rate('easel') / rate(against) >= aim;
  const other = (name: 'bare' | 'nginx') => (servers[name] ? rate(name) : null);
  rows.push([what, bytes, rate('easel'), other('bare'), other('nginx'), rate('easel') / rate(against), aim, against]);
  console.log(
    `${what.padEnd(10)} ${String(bytes).padStart(8)} B  ${parts.join(', ')}: ${ratios.join(', ')} ` +
      `(aim ${aim} x ${against}: ${passed ? 'met' : 'missed'})`,
  );
}

async function load(url: string, headers: Readonly<Record<string, string>>) {
  const named = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]);
  const { stdout } = await run('wrk', [...ROUND, ...named, url]);
  const errors = /Non-2xx.*|Socket errors.*/.exec(stdout)?.[0];
  if (errors !== undefined) throw new Error(`wrk on ${url}: ${errors}`);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  return { rate, requests: Number(/(\d+) requests in/.exec(stdout)?.[1]) };
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** A bare node:http server with this one file. */
async function startBare(path: string | null | undefined): Promise<BenchProcess> {
  const file = join(folder.path, path ?? '');
  const script = join(import.meta.dirname, 'support/bare-http.ts');
  return await startServer([process.execPath, script, file], `${file}.bare.log`);
}

/** The process that serves, of an nginx with one worker. */
async function workerOf(master: number): Promise<number> {
  return Number((await readFile(`/proc/${master}/task/${master}/children`, 'utf8')).split(' ')[0]);
}

/** nginx as Debian configures it, with one worker and keep-alive. */
async function startNginx(root: string): Promise<BenchProcess> {
  const port = 20_000 + (process.pid % 10_000);
  const config = join(root, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  await writeFile(
    config,
    `${process.getuid?.() === 0 ? 'user root;' : ''}
    daemon off; worker_processes 1; pid ${root}/nginx.pid; error_log stderr;
    events { worker_connections 768; }
    http {
      ${temporary.map((name) => `${name}_temp_path ${root}/nginx-${name};`).join(' ')}
      sendfile on; tcp_nopush on; types { image/png png; image/webp webp; }
      access_log ${root}/nginx.log; keepalive_requests 1000000;
      server { listen 127.0.0.1:${port}; root ${root}; }
    }`,
  );
  const command = `echo http://127.0.0.1:${port}; exec nginx -e stderr -c ${config}`;
  return await startServer(['sh', '-c', command], join(root, 'nginx-start.log'));
}

async function requireProgram(program: string, ...args: readonly string[]): Promise<void> {
  await run(program, args).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') return;
    console.error(`this bench needs ${program}: apt-get install nginx-light wrk`);
    process.exit(69);
  });
}
