import { readFile } from 'node:fs/promises';

/** The kernel's ticks are of 10 ms on every Linux that Node runs on (USER_HZ, proc(5)). */
const TICK_MS = 10;

/** The processor time that a process has used, all its threads together, in milliseconds in steps of 10. Needs /proc. */
export async function processorTime(pid: number): Promise<{ readonly user: number; readonly system: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name, which may hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]) * TICK_MS, system: Number(fields[12]) * TICK_MS };
}
