import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { clearAway, reportUnreadable, resumeWork, runEvery } from '../../../src/composition/start/startup.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';

const lines: { msg: string }[] = [];
const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });

beforeEach(() => {
  lines.length = 0;
});

describe('resuming work', () => {
  /** What a start does, in order, with two unfinished images on record. */
  async function start(fault?: Error): Promise<readonly string[]> {
    const steps: string[] = [];
    const step = (name: string, result?: unknown) => async () => {
      steps.push(name);
      return result as never;
    };
    await clearAway({
      store: {
        removeTemporary: async () => {
          steps.push('temporary files');
          if (fault) throw fault;
        },
      },
      deletions: { completeAll: step('deletions') },
      log,
    });
    await resumeWork({
      records: { unfinished: step('unfinished', ['a', 'b']) },
      queue: { enqueue: async (mediaId) => void steps.push(mediaId) },
      log,
    });
    return steps;
  }

  it('removes temporary files before a job can write new ones', async () => {
    expect(await start()).toEqual(['temporary files', 'deletions', 'unfinished', 'a', 'b']);
  });

  it('completes deletions and queues images although temporary files cannot be removed, and logs that', async () => {
    const steps = await start(new ImageError('storage_unavailable', 'the disk is read-only'));
    expect(steps).toEqual(['temporary files', 'deletions', 'unfinished', 'a', 'b']);
    expect(lines[0]).toMatchObject({ level: 50, code: 'storage_unavailable', reason: 'the disk is read-only' });
  });

  it('names the records that cannot be read, and says nothing where there are none', async () => {
    for (const mediaIds of [['odd'], []]) await reportUnreadable({ unreadable: async () => mediaIds }, log);
    expect(lines).toMatchObject([{ level: 50, mediaIds: ['odd'] }]);
  });
});

describe('a job on schedule', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('runs once at a time, is waited for by its stop, and does not run again', async () => {
    const ends: (() => void)[] = [];
    const stop = runEvery(1000, log, () => new Promise<void>((resolve) => ends.push(resolve)));
    await vi.advanceTimersByTimeAsync(3500);
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await vi.advanceTimersByTimeAsync(1000);
    expect(ends).toHaveLength(2);

    let hasStopped = false;
    const stopped = stop().then(() => {
      hasStopped = true;
    });
    await vi.advanceTimersByTimeAsync(5000);
    expect(hasStopped).toBe(false);
    ends[1]?.();
    await stopped;
    await vi.advanceTimersByTimeAsync(5000);
    expect(ends).toHaveLength(2);
  });

  it('is tried again at its next turn where it failed', async () => {
    let runs = 0;
    const stop = runEvery(1000, log, async () => {
      runs += 1;
      throw new Error('broken');
    });
    await vi.advanceTimersByTimeAsync(2500);
    await stop();
    expect(runs).toBe(2);
    expect(lines.map(({ msg }) => msg)).toEqual(Array(2).fill('scheduled job failed; the next run tries again'));
  });
});
