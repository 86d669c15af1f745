import pino from 'pino';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { createOpenJob } from '../../../src/core/pipeline/job.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { createTestClock } from '../../support/test-clock.ts';

/** What fails first. */
interface FirstFaults {
  /** Reads of the record. */
  readonly reads?: number;
  /** How writes fail: before they are committed, or after it. */
  readonly faults?: readonly ('rolled back' | 'committed')[];
  /** Another writer's change after each of them. */
  readonly meanwhile?: (image: Image) => Image;
}

/** A job of an image that is stored like this, and what it leads to. */
export function openJobOf(
  image: Image | null,
  { reads = 0, faults = [], meanwhile = (same) => same }: FirstFaults = {},
) {
  const published: (Image | null)[] = [];
  const stages: unknown[] = [];
  const lines: Record<string, unknown>[] = [];
  const clock = createTestClock();
  const guards: unknown[] = [];
  const left = [...faults];
  let readsLeft = reads;
  let stored = image;
  const openJob = createOpenJob({
    records: {
      async get() {
        if (readsLeft > 0) {
          readsLeft -= 1;
          throw new ImageError('storage_unavailable', 'the disk is gone');
        }
        return stored;
      },
      async update(_mediaId, change, guard) {
        guards.push(guard);
        const next = stored && (change(stored) ?? stored);
        const fault = left.shift();
        if (fault !== 'rolled back') stored = next;
        if (fault === undefined) return stored;
        stored = stored && meanwhile(stored);
        throw new ImageError('storage_unavailable', 'the disk is gone');
      },
    },
    events: { publish: (_mediaId, latest) => void published.push(latest) },
    telemetry: { stage: (stage, seconds) => void stages.push([stage, seconds]) },
    tracer: NO_TRACING,
    clock,
    log: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  const { signal } = new AbortController();
  const job = openJob('x', { cancelled: signal, discarded: signal, draining: signal, stopping: signal });
  return { job, clock, published, guards, stages, lines };
}
