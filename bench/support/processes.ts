/** What /proc says of a process on Linux. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** USER_HZ, the unit in which Linux counts processor time: the same on every machine that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Processor seconds, user's and system's. */
export interface CpuTime {
  readonly process: number;
  readonly mainThread: number;
}

/** Processor time of the process until now, and of its main thread, which in Node is the event loop's. */
export async function cpuTime(pid: number): Promise<CpuTime> {
  const [whole, mainThread] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/task/${pid}/stat`, 'utf8'),
  ]);
  return { process: cpuSeconds(whole), mainThread: cpuSeconds(mainThread) };
}

/** Fields 14 and 15 of /proc/PID/stat, user and system time, counted from the end of the name, which may contain anything. */
function cpuSeconds(stat: string): number {
  const fields = stat.split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory now (`VmRSS`) or at its peak (`VmHWM`), in MB. */
export async function memoryMB(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kilobytes = Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
  return (kilobytes * 1024) / 1e6;
}

/** The numbers of the processors that this process may run on. */
export function allowedCores(): readonly number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return list.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** The command, bound to these processors where `taskset` (of util-linux) is there, else as it is. */
export function onCores(cores: readonly number[], command: readonly [string, ...string[]]): [string, ...string[]] {
  return hasTaskset() && cores.length > 0 ? ['taskset', '--cpu-list', cores.join(','), ...command] : [...command];
}

let taskset: boolean | null = null;

/** Whether processes can be bound to processors here. */
export function hasTaskset(): boolean {
  if (taskset !== null) return taskset;
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    taskset = true;
  } catch {
    taskset = false;
  }
  return taskset;
}
