/** The thread that writes, on a clock that goes on by one millisecond with every look at it. */

let now = 0;
performance.now = () => {
  now += 1;
  return now;
};

await import('../../../../../src/adapters/records/sqlite/writer/thread.ts');
