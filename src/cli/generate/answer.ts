import { randomUUID } from 'node:crypto';
import { type ProblemSpec, toProblem } from '../../api/problem.ts';
import type { Cost } from '../../core/domain/money.ts';
import type { ImageRecord } from '../../core/domain/record.ts';

/** A record in a few lines for people. `path` is where the master is. */
export function describeRecord(
  { mediaId, width, height, format, bytes, cost }: ImageRecord,
  path: string | null,
): string {
  const lines = [
    ['path', path ?? 'none'],
    ['size', `${width}x${height} ${format}, ${describeBytes(bytes ?? 0)}`],
    ['cost', describeCost(cost)],
    ['mediaId', mediaId],
  ] as const;
  return lines.map(([name, value]) => `${name.padEnd(8)} ${value}`).join('\n');
}

function describeBytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function describeCost({ usd, basis }: Cost): string {
  if (usd === null) return 'unknown: the catalog has no price for the model';
  if (usd === 0) return 'nothing';
  return basis === 'usage' ? `$${usd}` : `at most $${usd} (estimated)`;
}

/** A problem as `POST /images` answers it, as JSON. */
export function problemText(spec: ProblemSpec): string {
  return JSON.stringify(toProblem(spec, '/images', randomUUID()), null, 2);
}
