import type { ImageChange } from '../../domain/image-change.ts';
import type { ToRecord } from '../../domain/record.ts';
import { type Caller, maySee } from '../../domain/request.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ImageEvents } from '../../ports/image-events.ts';
import type { ChangeContent, FeedEvent, OpenFeedOf, ResetReason } from '../feed.ts';
import { reportStatus } from '../follow.ts';
import { createHistory, type History } from './history.ts';
import { createNewestPartials, type NewestPartials } from './newest-partials.ts';

interface FeedDeps {
  readonly events: Pick<ImageEvents, 'subscribeToAll'>;
  readonly toRecord: ToRecord;
  /** For how many seconds the URLs in a record are good at least, from when it is made; null where they do not run out. */
  readonly urlSeconds?: number | null;
  readonly clock: Pick<Clock, 'monotonic' | 'sleep'>;
  /** Unique: names each recording, so that ids of another one, or of another process, are known as such. */
  readonly newId: () => string;
  /** Fires when the service ends; every stream then ends, and clients reconnect to the next process. */
  readonly ending: AbortSignal;
}

/** What is kept for readers that come back. */
const LIMITS = { entries: 1_000, characters: 8 * 1024 * 1024, ageMs: 15 * 60_000 };
/** For how long changes are recorded after the last reader has left, in milliseconds: it may be about to come back. */
const LINGER_MS = 60_000;

/** The recording of changes, from the first reader until some time after the last one. */
interface Recording {
  readonly id: string;
  readonly history: History<ImageChange, ChangeContent>;
  readonly partials: NewestPartials;
  /** Wakes the readers that wait. */
  readonly wakes: Set<() => void>;
  readers: number;
  /** Aborted when a reader comes back in time. */
  lingering: AbortController | null;
  readonly end: () => void;
}

/** Where a reader is. */
interface Position {
  /** The place in the history that it reads next. */
  place: number;
  /** The number of the last partial picture that it has passed. */
  partial: number;
}

export function createFeed({ events, toRecord, urlSeconds = null, clock, newId, ending }: FeedDeps): OpenFeedOf {
  let current: Recording | null = null;
  // Who comes back gets records as they were made, with URLs that still have half of their time.
  const ageMs = Math.min(LIMITS.ageMs, ((urlSeconds ?? Number.POSITIVE_INFINITY) * 1000) / 2);

  async function toContent(change: ImageChange): Promise<ChangeContent> {
    const { kind, mediaId, image } = change;
    if (kind === 'deleted') return { type: kind, data: { mediaId } };
    const record = await toRecord(image);
    return kind === 'status' ? { type: kind, data: reportStatus(record) } : { type: kind, data: record };
  }

  function begin(): Recording {
    const history = createHistory(toContent, () => clock.monotonic(), { ...LIMITS, ageMs });
    const partials = createNewestPartials();
    const wakes = new Set<() => void>();
    const wakeAll = () => {
      for (const wake of wakes) wake();
    };
    const unsubscribe = events.subscribeToAll({
      changed(change) {
        if (change.kind === 'deleted') partials.drop(change.mediaId);
        history.add(change);
        wakeAll();
      },
      partial(picture, owner) {
        partials.keep(picture, owner);
        wakeAll();
      },
      partialsEnded: (mediaId) => partials.drop(mediaId),
      missed() {
        history.breakOff();
        wakeAll();
      },
    });
    return { id: newId(), history, partials, wakes, readers: 0, lingering: null, end: unsubscribe };
  }

  function join(): Recording {
    current ??= begin();
    current.lingering?.abort();
    current.lingering = null;
    current.readers += 1;
    return current;
  }

  function leave(recording: Recording): void {
    recording.readers -= 1;
    if (recording.readers > 0) return;
    const lingering = new AbortController();
    recording.lingering = lingering;
    const end = () => {
      if (lingering.signal.aborted) return;
      lingering.abort();
      recording.end();
      current = null;
    };
    if (ending.aborted) {
      end();
      return;
    }
    ending.addEventListener('abort', end, { signal: lingering.signal });
    void clock.sleep(LINGER_MS, lingering.signal).then(end, () => undefined);
  }

  return (caller, lastEventId, signal) => {
    const recording = join();
    let isOver = false;
    const onEnd = () => {
      signal.removeEventListener('abort', onEnd);
      if (!isOver) leave(recording);
      isOver = true;
    };
    // Also where the events are never asked for, as their reader is gone already.
    signal.addEventListener('abort', onEnd);
    if (signal.aborted) onEnd();
    const known = lastEventId === null ? null : positionIn(recording, lastEventId);
    const position = known ?? { place: recording.history.next(), partial: 0 };
    const isUnknown = lastEventId !== null && known === null;
    return {
      id: idOf(recording, position),
      events: read({ recording, position, caller, isUnknown, signal, ending }, onEnd),
    };
  };
}

interface Reader {
  readonly recording: Recording;
  readonly position: Position;
  readonly caller: Caller;
  /** Whether it came with an id that is not known here. */
  readonly isUnknown: boolean;
  readonly signal: AbortSignal;
  readonly ending: AbortSignal;
}

async function* read(
  { recording, position, caller, isUnknown, signal, ending }: Reader,
  onEnd: () => void,
): AsyncGenerator<FeedEvent, void, undefined> {
  const { history, partials, wakes } = recording;
  const isSeen = (owner: string) => maySee(caller, owner);
  let wake = () => {};
  const wakeUp = () => wake();
  wakes.add(wakeUp);
  // Removed at the end, as both signals outlive the stream.
  for (const end of [signal, ending]) end.addEventListener('abort', wakeUp);
  const reset = (reason: ResetReason): FeedEvent => ({
    type: 'reset',
    id: idOf(recording, position),
    data: { reason },
  });

  try {
    if (isUnknown) yield reset('unknown_id');
    while (!signal.aborted && !ending.aborted) {
      if (position.place < history.first()) {
        position.place = history.next();
        yield reset('events_missed');
        continue;
      }
      const entry = history.at(position.place);
      if (entry !== undefined) {
        position.place += 1;
        if (isSeen(entry.change.owner)) yield { id: idOf(recording, position), ...(await entry.content()) };
        continue;
      }
      const partial = partials.after(position.partial, isSeen);
      position.partial = partial?.number ?? partials.last();
      if (partial !== null) {
        yield { type: 'partial', id: idOf(recording, position), data: partial.picture };
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    wakes.delete(wakeUp);
    for (const end of [signal, ending]) end.removeEventListener('abort', wakeUp);
    onEnd();
  }
}

/** An id names the recording, and what its reader has passed in it. */
function idOf(recording: Recording, { place, partial }: Position): string {
  return `${recording.id}.${place}.${partial}`;
}

/** Where the reader with this id goes on; null where the recording has not given the id. */
function positionIn(recording: Recording, lastEventId: string): Position | null {
  const { history, partials } = recording;
  const [place = 0, partial = 0] = lastEventId.split('.').slice(1).map(Number);
  const position = { place, partial };
  // Only the exact text that was given: `Number` also reads blanks, exponents and hexadecimal digits.
  if (idOf(recording, position) !== lastEventId) return null;
  const isGiven = (number: number, last: number) => Number.isSafeInteger(number) && number >= 0 && number <= last;
  return isGiven(place, history.next()) && isGiven(partial, partials.last()) ? position : null;
}
