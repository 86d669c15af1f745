/**
 * What a gateway costs: the same calls of `POST /v1/images/generations` to an instant model API itself, through Portkey's gateway, which
 * stores nothing, and through Easel, which answers once the picture is durably stored. In turns, the median of the rounds: answers a second
 * from 16 clients at once, and how long a call takes one at a time, for answers of 16 KB and of 1.6 MB. The pictures are noise, so that
 * they are small for their bytes. `gateway 1` measures for so many seconds.
 */

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { texturedPicture } from '../test/support/pictures.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { type Figure, saveResults } from './support/results.ts';
import { startEasel, startServer } from './support/service.ts';
import { elapsedEach, median } from './support/timing.ts';

const ROUND_MS = 1000 * Number(process.argv[3] ?? 4);
const ROUNDS = 3;
const CLIENTS = 16;
/** Calls of a round, one at a time. */
const SINGLE = 40;
const AIM = 4;
const MODEL = 'noise';
const SIZES = [
  { name: '16 KB', side: 64 },
  { name: '1.6 MB', side: 640 },
];

const PORTKEY = join(import.meta.dirname, 'gateway/node_modules/@portkey-ai/gateway');
if (!existsSync(PORTKEY)) {
  console.error("this bench needs Portkey's gateway: npm ci --ignore-scripts --prefix bench/gateway");
  process.exit(69);
}
const { version } = JSON.parse(await readFile(join(PORTKEY, 'package.json'), 'utf8')) as { version: string };

interface Contender {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly perSecond: number[];
  readonly singleMs: number[];
}

let prompts = 0;
const figures: Figure[] = [];
const rows: (readonly (string | number)[])[] = [];
for (const size of SIZES) await compare(size);
await saveResults({
  figures,
  tables: [
    {
      title:
        `Answers a second, ${CLIENTS} calls at once, and how much longer than a direct call one takes by itself; ` +
        `Portkey's gateway ${version}`,
      columns: [
        'answer',
        'direct, per second',
        'Portkey, per second',
        'Easel, per second',
        'Easel, times Portkey',
        'direct, ms',
        'Portkey, ms more',
        'Easel, ms more',
      ],
      rows,
    },
  ],
});

async function compare({ name, side }: (typeof SIZES)[number]): Promise<void> {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'noise.png');
  await writeFile(file, await texturedPicture({ width: side, height: side, tile: 1 }));
  const instant = join(import.meta.dirname, 'model-api/instant.ts');
  await using upstream = await startServer([process.execPath, instant, file, '1'], join(folder.path, 'upstream.log'));
  await using portkey = await startPortkey(join(folder.path, 'portkey.log'));
  await using easel = await startEasel(folder.path, {
    OPENAI_API_KEY: 'sk-none',
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    IMAGE_MODEL: MODEL,
    IMAGE_SIZE: `${side}x${side}`,
    CONCURRENCY: String(CLIENTS),
  });
  const contender = (url: string, headers: Readonly<Record<string, string>> = {}): Contender => ({
    url,
    headers,
    perSecond: [],
    singleMs: [],
  });
  const toPortkey = { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${upstream.url}/v1` };
  const contenders = {
    direct: contender(upstream.url),
    Portkey: contender(portkey.url, toPortkey),
    Easel: contender(easel.url),
  };
  const body = { model: MODEL, size: `${side}x${side}` };
  let kept = 0;
  // Once without measuring: code is compiled, connections are open.
  for (const one of Object.values(contenders)) await measure(one, body, 500);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const one of Object.values(contenders)) {
      const { perSecond, singleMs } = await measure(one, body, ROUND_MS);
      one.perSecond.push(perSecond);
      one.singleMs.push(...singleMs);
    }
  }
  const stored = countStored(join(folder.path, 'easel.db'));
  if (stored !== kept) throw new Error(`Easel has answered ${kept} calls and stored ${stored} pictures`);
  report(name, contenders);

  /** Calls at once for so many milliseconds, then one at a time. */
  async function measure({ url, headers }: Contender, fields: object, ms: number) {
    const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
    const call = async () => {
      await generate(url, headers, fields, agent);
      if (url === easel.url) kept += 1;
    };
    const began = performance.now();
    let answers = 0;
    const client = async () => {
      while (performance.now() < began + ms) {
        await call();
        answers += 1;
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    const perSecond = answers / ((performance.now() - began) / 1000);
    const singleMs = await elapsedEach(SINGLE, call);
    agent.destroy();
    return { perSecond, singleMs };
  }
}

function report(name: string, { direct, Portkey, Easel }: Readonly<Record<'direct' | 'Portkey' | 'Easel', Contender>>) {
  const [rate, other, base] = [Easel, Portkey, direct].map(({ perSecond }) => median(perSecond)) as [
    number,
    number,
    number,
  ];
  const directMs = median(direct.singleMs);
  const costMs = (one: Contender) => median(one.singleMs) - directMs;
  console.log(
    `${name.padEnd(7)} direct ${base.toFixed(0)}/s, Portkey ${other.toFixed(0)}/s, Easel ${rate.toFixed(0)}/s: ` +
      `${(rate / other).toFixed(2)} x Portkey (aim ${AIM}); a direct call takes ${directMs.toFixed(2)} ms, ` +
      `Portkey ${costMs(Portkey).toFixed(2)} ms more, Easel ${costMs(Easel).toFixed(2)} ms more`,
  );
  rows.push([name, base, other, rate, rate / other, directMs, costMs(Portkey), costMs(Easel)]);
  figures.push(
    {
      what: `answers of ${name} a second, beside Portkey's`,
      value: rate / other,
      unit: 'times',
      aim: { atLeast: AIM },
    },
    { what: `what Easel costs over a direct call, answers of ${name}`, value: costMs(Easel), unit: 'ms' },
  );
}

/** Resolves when a 200 has been read to its end. By node:http alone: `fetch` would take as much of the processor as a gateway. */
function generate(url: string, more: Readonly<Record<string, string>>, fields: object, agent: Agent): Promise<void> {
  prompts += 1;
  const body = JSON.stringify({ ...fields, prompt: `a lighthouse at dusk, ${prompts}` });
  const headers = {
    authorization: 'Bearer sk-none',
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...more,
  };
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/images/generations`, { method: 'POST', headers, agent }, (response) => {
      const isSound = response.statusCode === 200;
      let text = '';
      if (isSound) response.resume();
      else response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('end', () =>
        isSound ? resolve() : reject(new Error(`${url} answered with ${response.statusCode}: ${text.slice(0, 500)}`)),
      );
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Portkey's gateway as its package starts it, without its console. It says that it listens before it does. */
async function startPortkey(log: string) {
  const port = 20_000 + (process.pid % 10_000);
  const script = join(PORTKEY, 'build/start-server.js');
  const command = `echo http://127.0.0.1:${port}; exec "${process.execPath}" "${script}" --headless --port=${port}`;
  const server = await startServer(['sh', '-c', command], log);
  for (let tries = 0; ; tries += 1) {
    const answered = await fetch(server.url).catch(() => null);
    if (answered?.ok) return server;
    if (tries === 400) throw new Error(`Portkey's gateway does not answer:\n${await readFile(log, 'utf8')}`);
    await delay(50);
  }
}

/** How many pictures are in the records as made. */
function countStored(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare("SELECT count(*) AS count FROM images WHERE status = 'succeeded'").get();
  database.close();
  return Number(row?.count);
}
