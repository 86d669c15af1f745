/**
 * Pictures finished, and time to refuse the other requests, at the load that the upstream allows and at ten times that load.
 * The upstream is the stand-in model API: it takes 200 ms for a picture, and the service asks for 8 at a time.
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { answer } from '../test/support/openai/answers.ts';
import { startOpenAiServer } from '../test/support/openai/server.ts';
import { texturedPicture } from '../test/support/pictures.ts';
import { saveResults } from './support/results.ts';
import { startEasel } from './support/service.ts';

const UPSTREAM_MS = 200;
const CONCURRENCY = 8;
const SECONDS = 15;
/** Pause of a client after a refusal: far shorter than Retry-After, as that of badly behaved clients. */
const PAUSE_MS = 100;

const folder = await mkdtemp(join(tmpdir(), 'easel-bench-'));
try {
  await using upstream = await startOpenAiServer();
  // Painted once in advance: a real upstream paints on a machine of its own.
  const original = await texturedPicture({ width: 1024, height: 1024 });
  const body = Buffer.from(JSON.stringify({ data: [{ b64_json: original.toString('base64') }] }));
  upstream.always(answer({ body, type: 'application/json', beforeHeaders: UPSTREAM_MS }));
  await using easel = await startEasel(folder, {
    OPENAI_API_KEY: upstream.key ?? '',
    OPENAI_BASE_URL: upstream.baseUrl,
    CONCURRENCY: String(CONCURRENCY),
    QUEUE_LIMIT: String(CONCURRENCY),
  });
  await load(easel.url, 1);
  const fitting = await load(easel.url, CONCURRENCY);
  const tenfold = await load(easel.url, 10 * CONCURRENCY);
  for (const [name, { finished, refusalsMs, others }] of [
    [`${CONCURRENCY} clients`, fitting],
    [`${10 * CONCURRENCY} clients`, tenfold],
  ] as const) {
    const rest = [...others].map(([status, count]) => `${count} × ${status}`).join(', ') || 'none';
    console.log(
      `${name}: ${(finished / SECONDS).toFixed(1)} pictures/s, ${refusalsMs.length} refused in ${percentile(refusalsMs, 0.5)} (median), ${percentile(refusalsMs, 0.99)} (99%), other answers: ${rest}`,
    );
  }
  const inLog = await refusalsInLog(join(folder, 'easel.log'));
  console.log(
    `by the service's own log, from head to last byte: refused in ${percentile(inLog, 0.5)} (median), ${percentile(inLog, 0.95)} (95%), ${percentile(inLog, 0.99)} (99%)`,
  );
  console.log(
    `finished at ten times the load: ${((100 * tenfold.finished) / fitting.finished).toFixed(0)}% of that at the load that fits`,
  );
  await saveResults({
    figures: [
      { what: 'pictures a second at the load that fits', value: fitting.finished / SECONDS, unit: '' },
      { what: 'pictures a second at ten times the load', value: tenfold.finished / SECONDS, unit: '' },
      {
        what: '99% of refusals, as the client sees it',
        value: timeAt(tenfold.refusalsMs, 0.99),
        unit: 'ms',
        aim: { atMost: 50 },
      },
    ],
    tables: [
      {
        title: 'Time to refuse a request, ms',
        columns: ['share', 'at the client', 'by the log'],
        rows: [0.5, 0.95, 0.99].map((share) => [
          `${100 * share}%`,
          timeAt(tenfold.refusalsMs, share),
          timeAt(inLog, share),
        ]),
      },
    ],
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}

interface Outcome {
  finished: number;
  readonly refusalsMs: number[];
  /** Number of other answers, by status. */
  readonly others: Map<number, number>;
}

/** Runs clients for `SECONDS`, each of which sends its next request when the last is answered. */
async function load(url: string, clients: number): Promise<Outcome> {
  const outcome: Outcome = { finished: 0, refusalsMs: [], others: new Map() };
  const deadline = performance.now() + SECONDS * 1000;
  const client = async (number: number) => {
    for (let turn = 0; performance.now() < deadline; turn += 1) {
      const began = performance.now();
      const response = await fetch(`${url}/images`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: `${clients} ${number} ${turn}`, size: '1024x1024', renditions: [] }),
      });
      await response.arrayBuffer();
      if (response.status === 201) outcome.finished += 1;
      else if (response.status === 429) {
        outcome.refusalsMs.push(performance.now() - began);
        await delay(PAUSE_MS);
      } else outcome.others.set(response.status, (outcome.others.get(response.status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  return outcome;
}

/** How long each refusal took by the service's log, in milliseconds: the clients here share the processors with the upstream. */
async function refusalsInLog(log: string): Promise<readonly number[]> {
  const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes('"status":429'));
  return lines.map((line) => (JSON.parse(line) as { ms: number }).ms);
}

function percentile(times: readonly number[], share: number): string {
  const time = timeAt(times, share);
  return Number.isNaN(time) ? '–' : `${time.toFixed(0)} ms`;
}

function timeAt(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
