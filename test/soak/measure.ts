/** What a running service holds: memory, descriptors, files. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningService } from '../support/app/process.ts';

export interface Sample {
  readonly residentMB: number;
  readonly descriptors: number;
  readonly databaseMB: number;
  /** 99th percentile since the process began, in milliseconds. */
  readonly loopDelayMs: number;
}

const megabytes = (bytes: number) => Math.round(bytes / 1e5) / 10;

/** Measures the process and the files of its database; null where it does not answer at the moment. */
export async function sample({ child, url }: RunningService, folder: string): Promise<Sample | null> {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const kilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
  const text = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(10_000) })
    .then((response) => response.text())
    .catch(() => null);
  if (text === null) return null;
  const files = ['easel.db', 'easel.db-wal'].map((name) => join(folder, name)).filter((path) => existsSync(path));
  return {
    residentMB: megabytes(kilobytes * 1024),
    descriptors: readdirSync(`/proc/${child.pid}/fd`).length,
    databaseMB: megabytes(files.reduce((sum, path) => sum + statSync(path).size, 0)),
    loopDelayMs: Math.round(Number(/^nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(text)?.[1]) * 1000),
  };
}
