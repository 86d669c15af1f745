import type { Attempt } from '../../../src/core/domain/image.ts';
import { FAULTS } from './faults.ts';
import type { ClusterRoundReport, Happened } from './round.ts';

/** A row for each fault: how often, and what it did. */
export function faultTable(reports: readonly ClusterRoundReport[]): string {
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
        all.reduce((sum, { happened }) => sum + happened.violations, 0),
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
    'violations',
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
