/**
 * `npm run soak -- MINUTES [SEED]`: one service under load for that long, with odd answers of the model, odd files, breaking clients and
 * receivers, suspensions, clock steps and a shortage of descriptors at once. Prints what it holds at the start and at the end, checks
 * every promise, and exits with 1 where one was broken. Talks to loopback only and ends by itself.
 */

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isFinished } from '../../src/core/domain/image.ts';
import { type RunningService, startService } from '../support/app/process.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { randomOf } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { anyAnswer } from '../torture/answers.ts';
import { auditServing, readDatabase } from '../torture/audit.ts';
import { sendRequests } from './clients.ts';
import { type Sample, sample } from './measure.ts';
import { makeTrouble } from './troubles.ts';

const DESCRIPTORS = 512;
const WARM_UP_MS = 60_000;
const SAMPLE_MS = 15_000;

const [minutes = '30', seed = randomBytes(4).toString('hex')] = process.argv.slice(2);
if (!/^\d+(\.\d+)?$/.test(minutes)) {
  console.error('npm run soak -- MINUTES [SEED]');
  process.exit(64);
}

await using folder = await temporaryFolder();
await using upstream = await startOpenAiServer();
await using receiver = await startFickleReceiver();
const random = randomOf(seed);
upstream.always(() => anyAnswer(random));
await using service = await start(folder.path, upstream);
console.log(
  `soak of ${minutes} minutes, seed ${seed}, process ${service.child.pid}, at most ${DESCRIPTORS} descriptors`,
);

const over = new AbortController();
const load = Promise.all([
  sendRequests({ service, random, webhookUrl: receiver.url }, over.signal),
  makeTrouble({ service, folder: folder.path, random }, over.signal),
]);
const samples: Sample[] = [];
const end = Date.now() + Number(minutes) * 60_000;
await delay(Math.min(WARM_UP_MS, Number(minutes) * 20_000));
while (Date.now() < end && service.child.exitCode === null) {
  const taken = await sample(service, folder.path);
  if (taken) {
    samples.push(taken);
    console.log(JSON.stringify(taken));
  }
  await delay(SAMPLE_MS);
}
over.abort();
const [sent, troubles] = await load;
const violations = [...sent.violations];
if (service.child.exitCode === null) {
  violations.push(...(await settle(service, folder.path)));
  service.child.kill('SIGTERM');
  const exit = await service.exited;
  if (exit !== 0) violations.push(`the last SIGTERM ended it with ${exit}`);
} else {
  const fatal = service
    .stdout()
    .split('\n')
    .filter((line) => line.includes('"level":"fatal"'));
  violations.push(`the service ended by itself: ${fatal.join('\n')}${service.stderr().slice(-1000)}`);
}
violations.push(...audit(folder.path, upstream));

const quarter = Math.max(1, Math.floor(samples.length / 4));
const mean = (taken: readonly Sample[], part: keyof Sample) =>
  Math.round((10 * taken.reduce((sum, one) => sum + one[part], 0)) / taken.length) / 10;
for (const part of ['residentMB', 'descriptors', 'databaseMB', 'loopDelayMs'] as const)
  console.log(
    `${part}: ${mean(samples.slice(0, quarter), part)} at the start, ${mean(samples.slice(-quarter), part)} at the end`,
  );
console.log(`requests ${sent.requests}, of which accepted ${sent.accepted}; calls ${upstream.calls.length}`);
console.log(`troubles: ${[...troubles].map(([name, count]) => `${name} ${count}`).join(', ')}`);
console.log(`webhook messages ${receiver.count()}`);
for (const violation of violations) console.error(`VIOLATION ${violation}`);
console.log(`violations ${violations.length}`);
process.exitCode = violations.length > 0 ? 1 : 0;

async function start(path: string, { key, baseUrl }: OpenAiServer): Promise<RunningService> {
  upstream.strict = false;
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const preload = new URL('shift-clock.ts', import.meta.url).href;
  return await startService({
    folder: path,
    command: ['sh', '-c', `ulimit -n ${DESCRIPTORS}; exec "$0" --import "$1" "$2"`, process.execPath, preload, main],
    env: {
      OPENAI_API_KEY: key ?? 'none',
      OPENAI_BASE_URL: baseUrl,
      IMAGE_MODEL: 'small',
      IMAGE_SIZE: '128x128',
      IMAGE_RENDITIONS: '64x64.webp,32x32.png',
      AMBIGUOUS_RETRIES: '1',
      RETRY_BUDGET_PER_MINUTE: '100000',
      GENERATION_TIMEOUT_SECONDS: '20',
      CLEANUP_INTERVAL_SECONDS: '5',
      MEDIA_MAX_BYTES: '20000000',
      WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
      WEBHOOK_ALLOW_HOSTS: receiver.host,
    },
  });
}

/** Lets everything come to rest, and checks what is served. */
async function settle({ url }: RunningService, path: string): Promise<readonly string[]> {
  const deadline = Date.now() + 120_000;
  while (readDatabase(path).images.some(({ status }) => !isFinished(status)) && Date.now() < deadline) await delay(500);
  await fetch(`${url}/cleanup`, { method: 'POST' });
  await delay(5_000);
  return await auditServing(url, path, readDatabase(path).images);
}

/** Every call is on record but those of images that were removed, and every image has its end. */
function audit(path: string, { calls }: OpenAiServer): readonly string[] {
  const { images, findings } = readDatabase(path);
  const violations = [...findings];
  for (const image of images) {
    const { mediaId, status, attempts } = image;
    if (!isFinished(status)) violations.push(`${mediaId} is ${status} at the end`);
    const paid = calls.filter(({ body, behaviour }) => body.prompt === image.request.prompt && behaviour === 'picture');
    if (paid.length > 1 && attempts.every(({ outcome }) => outcome !== 'unknown' && outcome !== 'cancelled'))
      violations.push(`${mediaId} was paid ${paid.length} times`);
    if (status === 'succeeded' && attempts.filter(({ outcome }) => outcome === 'ok').length !== 1)
      violations.push(`${mediaId} succeeded with ${attempts.length} attempts`);
  }
  return violations;
}

/** A webhook receiver that answers, fails, breaks off or hangs, in turn. */
async function startFickleReceiver() {
  let messages = 0;
  const server = createServer((request, response) => {
    request.resume();
    messages += 1;
    switch (messages % 5) {
      case 0:
        request.socket.destroy();
        break;
      case 1:
        response.writeHead(503).end();
        break;
      case 2:
        response.writeHead(200, { 'content-length': '100' }).write('half');
        setTimeout(() => request.socket.destroy(), 100);
        break;
      default:
        response.writeHead(204).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}/hook`,
    host,
    count: () => messages,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
