import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { anImage } from '../../../../contracts/record-store/example-images.ts';

const SQLITE = new URL('../../../../../src/adapters/records/sqlite/records.ts', import.meta.url).href;
const DERIVE = new URL('../../../../contracts/record-store/trivial-derive.ts', import.meta.url).href;

/** Writes a letter to standard output once a write can be read, and another once it is acknowledged. */
const SCRIPT = `
  import { writeSync } from 'node:fs';
  import { setImmediate as nextRound } from 'node:timers/promises';
  import { openSqliteRecords } from ${JSON.stringify(SQLITE)};
  import { trivialDerive } from ${JSON.stringify(DERIVE)};
  const records = openSqliteRecords({ path: process.argv[1], derive: trivialDerive });
  await records.accept(${JSON.stringify(anImage({ mediaId: 'first' }))}, 9);
  let isAcknowledged = false;
  writeSync(1, 'begin');
  const accepted = records.accept(${JSON.stringify(anImage({ mediaId: 'second' }))}, 9).then(() => {
    isAcknowledged = true;
    writeSync(1, 'acknowledged');
  });
  while ((await records.get('second')) === null) await nextRound();
  writeSync(1, 'visible');
  await accepted;
  await records.close();`;

const hasStrace = !spawnSync('strace', ['-V']).error;

it.skipIf(!hasStrace)(
  'a write is seen, and acknowledged, only after the sync of its commit (needs strace)',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'easel-order-'));
    try {
      const trace = join(folder, 'trace.txt');
      // Slow syncs leave a reader that sees too much the time to do so.
      const { status, stderr } = spawnSync(
        'strace',
        [
          ...[
            '-f',
            '-y',
            '-o',
            trace,
            '-e',
            'trace=write,fsync,fdatasync',
            '-e',
            'inject=fsync,fdatasync:delay_exit=200000',
          ],
          ...[process.execPath, '--input-type=module', '-e', SCRIPT, join(folder, 'easel.db')],
        ],
        { encoding: 'utf8' },
      );
      expect(status, stderr).toBe(0);
      const events = (await readFile(trace, 'utf8')).split('\n').flatMap((line) => {
        const said = /write\(1<.*"(begin|visible|acknowledged)"/.exec(line)?.[1];
        if (said !== undefined) return [said];
        // A call that another thread's came in between stands on two lines: its end counts.
        if (/(fsync|fdatasync).*= 0/.test(line)) return ['synced'];
        return [];
      });
      const after = events.slice(events.indexOf('begin') + 1);
      expect(after[0]).toBe('synced');
      expect(after.filter((event) => event !== 'synced').sort()).toEqual(['acknowledged', 'visible']);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
