/**
 * `npm run torture -- [ROUNDS] [SEED] [--sigterm] [--threads] [--cluster]`: plays rounds of torture, prints a report of each and a
 * summary, and exits with 1 when a promise was broken. The same seed gives the same plan but not the same run, since random kills happen
 * by the clock. With `--sigterm` every life ends by that signal, under load. With `--threads` worker threads are killed all the time,
 * too. With `--cluster` three replicas over PostgreSQL and a bucket meet one fault after the other.
 */

import { randomBytes } from 'node:crypto';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tortureCluster } from './cluster/main.ts';
import { sendIdentical } from './identical.ts';
import { startLife } from './life.ts';
import { playRound, type RoundReport } from './round.ts';

const DEATHS = 6;
const REQUESTS = 24;
const IDENTICAL_ROUNDS = 50;

const gently = process.argv.includes('--sigterm');
const killsThreads = process.argv.includes('--threads');
const [rounds = '10', seed = randomBytes(4).toString('hex')] = process.argv
  .slice(2)
  .filter((word) => !word.startsWith('-'));
if (!/^[1-9]\d{0,4}$/.test(rounds)) {
  console.error(
    'npm run torture -- [ROUNDS] [SEED] [--sigterm] [--threads] [--cluster]: ROUNDS must be a whole number from 1',
  );
  process.exit(64);
}

if (process.argv.includes('--cluster')) process.exit((await tortureCluster(Number(rounds), seed)) > 0 ? 1 : 0);

console.log(`${rounds} rounds of ${DEATHS} deaths each, seed ${seed}`);
const began = performance.now();
const reports: RoundReport[] = [];
for (let number = 1; number <= Number(rounds); number++) {
  const report = await playRound({
    seed: `${seed}-${number}`,
    deaths: DEATHS,
    requests: REQUESTS,
    gently,
    killsThreads,
  });
  reports.push(report);
  const { requests, dialectCalls, calls, inFlight, deaths, violations } = report;
  console.log(
    `round ${number}: ${requests} requests, ${dialectCalls} of the dialect, ${calls} calls, ${inFlight} lost in flight; died ${deaths.join(', ')}`,
  );
  for (const violation of violations) console.error(`  VIOLATION ${violation}`);
}

console.log(`${IDENTICAL_ROUNDS} rounds of 200 identical requests at once`);
const repeated = await repeatRequests();
for (const violation of repeated) console.error(`  VIOLATION ${violation}`);

const sum = (of: (report: RoundReport) => number) => reports.reduce((total, report) => total + of(report), 0);
const deaths = new Map<string, number>();
for (const death of reports.flatMap((report) => report.deaths)) deaths.set(death, (deaths.get(death) ?? 0) + 1);
const violations = sum((report) => report.violations.length) + repeated.length;

console.log(`
seed ${seed}, ${Math.round((performance.now() - began) / 1000)} s
requests             ${sum(({ requests }) => requests)}, of which accepted ${sum(({ accepted }) => accepted)}
calls of the dialect ${sum(({ dialectCalls }) => dialectCalls)}, sent ${sum(({ dialectSends }) => dialectSends)} times
deaths               ${sum((report) => report.deaths.length)}: ${[...deaths].map(([way, count]) => `${way} ${count}`).join(', ')}
provider calls       ${sum(({ calls }) => calls)}
threads killed       ${sum((report) => report.killedThreads)}
lost in flight       ${sum(({ inFlight }) => inFlight)}
ended as failed      ${sum(({ failed }) => failed)} (more calls of unknown outcome than AMBIGUOUS_RETRIES allows)
deleted on order     ${sum(({ deleted }) => deleted)}
files checked        ${sum(({ files }) => files)} at the end, ${sum(({ reads }) => reads)} reads under load
violations           ${violations}`);
process.exitCode = violations > 0 ? 1 : 0;

/** Sends the identical requests, by mediaId and by Idempotency-Key in turn; returns the violations. */
async function repeatRequests(): Promise<readonly string[]> {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  await using service = await startLife({ folder: folder.path, upstream });
  const findings: string[] = [];
  for (let round = 1; round <= IDENTICAL_ROUNDS; round++) {
    const by = round % 2 === 0 ? 'mediaId' : 'idempotencyKey';
    findings.push(...(await sendIdentical(service.url, upstream, by, `identical ${round}`)));
  }
  return findings;
}
