/** Plays rounds of torture of a cluster, and prints what each fault did, over all of them. */

import { randomOf } from '../../support/random.ts';
import { FAULTS, type Fault } from './faults.ts';
import { sendIdenticalToAll } from './identical.ts';
import { type ClusterRoundReport, playClusterRound } from './round.ts';
import { faultTable } from './table.ts';

const FAULTS_OF_A_ROUND = 6;
const REQUESTS = 16;

/** Plays the rounds; each fault comes as often as every other, give or take one. Returns the number of violations. */
export async function tortureCluster(rounds: number, seed: string): Promise<number> {
  console.log(`${rounds} rounds of ${FAULTS_OF_A_ROUND} faults each for three replicas, seed ${seed}`);
  const began = performance.now();
  const deck = shuffledFaults(rounds * FAULTS_OF_A_ROUND, seed);
  const reports: ClusterRoundReport[] = [];
  for (let number = 1; number <= rounds; number += 1) {
    const faults = deck.splice(0, FAULTS_OF_A_ROUND);
    const report = await playClusterRound({ seed: `${seed}-${number}`, faults, requests: REQUESTS });
    reports.push(report);
    const { requests, calls, staysDown, happened, violations } = report;
    const dead = staysDown ? 'the dead come back at the end' : 'the dead come back at once';
    console.log(
      `round ${number}: ${requests} requests, ${calls} calls, ${dead}; ${happened.map(({ fault }) => fault).join(', ')}`,
    );
    for (const violation of violations) console.error(`  VIOLATION ${violation}`);
  }
  const sum = (of: (report: ClusterRoundReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const identical = await sendIdenticalToAll();
  for (const violation of identical) console.error(`  VIOLATION ${violation}`);
  const violations = sum((report) => report.violations.length) + identical.length;
  console.log(`\n${faultTable(reports)}\n
seed ${seed}, ${Math.round((performance.now() - began) / 1000)} s
requests             ${sum(({ requests }) => requests)}, of which accepted ${sum(({ accepted }) => accepted)}
provider calls       ${sum(({ calls }) => calls)}
ended as failed      ${sum(({ failed }) => failed)} (more calls of unknown outcome than AMBIGUOUS_RETRIES allows)
deleted on order     ${sum(({ deleted }) => deleted)}
deaths               ${sum(({ happened }) => happened.reduce((total, { deaths }) => total + deaths, 0))}
watchers             ${sum(({ watches }) => watches.ended)} saw the end, ${sum(({ watches }) => watches.cut)} were cut
webhooks             ${sum(({ webhooks }) => webhooks)}
files checked        ${sum(({ files }) => files)} at the end, ${sum(({ reads }) => reads)} reads under load
orphans              ${sum(({ orphans }) => orphans)} files in the bucket that no record names
violations           ${violations}`);
  return violations;
}

/** So many faults: whole decks of all of them, each in another order. */
function shuffledFaults(count: number, seed: string): Fault[] {
  const random = randomOf(`${seed}-faults`);
  const faults: Fault[] = [];
  while (faults.length < count) {
    const deck = [...FAULTS];
    while (deck.length > 0) faults.push(...deck.splice(Math.floor(random() * deck.length), 1));
  }
  return faults.slice(0, count);
}
