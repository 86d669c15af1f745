/**
 * A thread of imaging that ends in the middle of pictures whose mediaId is `dies-N-NAME`: of the first N times that one is worked on.
 * How often it has, the file `NAME` in the folder for temporary files counts, since memory ends with the thread.
 */

import { appendFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTask } from '../../../src/adapters/imaging/worker.ts';
import { threadWork } from '../../../src/adapters/threads/thread-work.ts';

export default threadWork<Parameters<typeof runTask>[0], unknown>(async (task) => {
  const mediaId = 'spec' in task ? task.spec.provenance.mediaId : '';
  const [, times, name = ''] = /^dies-(\d+)-(.+)$/.exec(mediaId) ?? [];
  if (times === undefined) return await runTask(task);
  const file = join(tmpdir(), name);
  const before = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  appendFileSync(file, '.');
  const made = runTask(task);
  if (before < Number(times)) setImmediate(() => process.exit(1));
  return await made;
});
