import { describe, expect, it } from 'vitest';
import type { JobSignals } from '../../src/images/ports.ts';
import { createLocalQueue } from '../../src/queue/local.ts';

/** A job under the test's control: who runs, with which signals, and when it ends. */
function jobs() {
  const running = new Map<string, { signals: JobSignals; end: () => void }>();
  const started: string[] = [];
  return {
    running,
    started,
    run(mediaId: string, signals: JobSignals) {
      started.push(mediaId);
      return new Promise<void>((resolve) => {
        const end = () => {
          running.delete(mediaId);
          resolve();
        };
        running.set(mediaId, { signals, end });
      });
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('createLocalQueue', () => {
  it('runs as many at a time as it may, in the order they came', async () => {
    const { run, running, started } = jobs();
    const queue = createLocalQueue({ concurrency: 2, run });
    for (const id of ['a', 'b', 'c', 'd']) queue.enqueue(id);
    await turn();
    expect(started).toEqual(['a', 'b']);
    expect(queue.depth()).toEqual({ waiting: 2, running: 2 });
    running.get('b')?.end();
    await turn();
    expect(started).toEqual(['a', 'b', 'c']);
  });

  it('never runs a job twice at once: enqueued while it runs, it runs once more after', async () => {
    const { run, running, started } = jobs();
    const queue = createLocalQueue({ concurrency: 4, run });
    for (let i = 0; i < 3; i += 1) queue.enqueue('a');
    await turn();
    expect(started).toEqual(['a']);
    queue.enqueue('a');
    queue.enqueue('a');
    await turn();
    expect(started).toEqual(['a']);
    running.get('a')?.end();
    await turn();
    expect(started).toEqual(['a', 'a']);
    running.get('a')?.end();
    await turn();
    expect(queue.depth()).toEqual({ waiting: 0, running: 0 });
  });

  it('runs a job that is enqueued anew after it was cancelled while it waited', async () => {
    const { run, running } = jobs();
    const queue = createLocalQueue({ concurrency: 1, run });
    queue.enqueue('a');
    queue.enqueue('b');
    await queue.cancel('b');
    queue.enqueue('b');
    await turn();
    running.get('a')?.end();
    await turn();
    expect(running.get('b')?.signals.cancelled.aborted).toBe(false);
  });

  it('cancels the one job, and says when it runs no more', async () => {
    const { run, running } = jobs();
    const queue = createLocalQueue({ concurrency: 4, run });
    queue.enqueue('a');
    queue.enqueue('b');
    await turn();
    let over = false;
    const cancelled = queue.cancel('a').then(() => {
      over = true;
    });
    await turn();
    expect([running.get('a')?.signals.cancelled.aborted, running.get('b')?.signals.cancelled.aborted, over]).toEqual([
      true,
      false,
      false,
    ]);
    running.get('a')?.end();
    await cancelled;
    await queue.cancel('unknown');
  });

  it('stops: starts nothing more, lets running jobs end, and tells them when time is up', async () => {
    const { run, running, started } = jobs();
    const queue = createLocalQueue({ concurrency: 1, run });
    queue.enqueue('a');
    queue.enqueue('b');
    await turn();
    const deadline = new AbortController();
    const stopped = queue.stop(deadline.signal);
    await turn();
    expect(running.get('a')?.signals.stopping.aborted).toBe(false);
    deadline.abort();
    expect(running.get('a')?.signals.stopping.aborted).toBe(true);
    running.get('a')?.end();
    await stopped;
    expect(started).toEqual(['a']);
  });
});
