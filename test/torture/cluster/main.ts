/** Plays rounds of torture of a cluster, and prints what each fault did, over all of them. */

import type { Attempt } from '../../../src/core/domain/image.ts';
import { randomOf } from '../../support/random.ts';
import { FAULTS, type Fault } from './faults.ts';
import { sendIdenticalToAll } from './identical.ts';
import { type ClusterRoundReport, type Happened, playClusterRound } from './round.ts';

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

/** A row for each fault: how often, and what it did. */
function faultTable(reports: readonly ClusterRoundReport[]): string {
  const rows = FAULTS.flatMap(({ name }) => {
    const all = reports.flatMap((report) =>
      report.happened.filter(({ fault }) => fault === name).map((happened) => ({ happened, report })),
    );
    if (all.length === 0) return [];
    const taken = all.flatMap(({ happened }) => happened.takeoversMs).toSorted((one, other) => one - other);
    const unknown = all.reduce((sum, { happened, report }) => sum + unanswered(report, happened), 0);
    const recovery = Math.max(...all.map(({ happened }) => happened.recoveryMs));
    return [
      [
        name,
        all.length,
        taken.length,
        seconds(taken[taken.length >> 1]),
        seconds(taken.at(-1)),
        unknown,
        seconds(recovery),
      ],
    ];
  });
  const columns = [
    'fault',
    'times',
    'jobs taken over',
    'half within, s',
    'all within, s',
    'calls unknown',
    'all work again within, s',
  ];
  return [columns, columns.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? '–' : (ms / 1000).toFixed(1);
}

/** Attempts that began while the fault was there, and have an unknown outcome since no answer came. */
function unanswered({ images }: ClusterRoundReport, { from, to }: Happened): number {
  const isOne = ({ outcome, providerRequestId, startedAt }: Attempt) =>
    outcome === 'unknown' && providerRequestId === null && Date.parse(startedAt) >= from && Date.parse(startedAt) < to;
  return images.flatMap(({ attempts }) => attempts).filter(isOne).length;
}
