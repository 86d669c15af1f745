/** A thread of imaging whose task says, where it fails, how many bytes of the original are left in memory at that moment. */

import { runTask } from '../../../src/adapters/imaging/worker.ts';
import { threadWork } from '../../../src/adapters/threads/thread-work.ts';

export default threadWork<Parameters<typeof runTask>[0], unknown>(async (task) => {
  try {
    return await runTask(task);
  } catch (error) {
    throw new Error(`${'original' in task ? task.original.byteLength : 0} bytes are left`, { cause: error });
  }
});
