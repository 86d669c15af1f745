import { ImageError } from '../../domain/errors.ts';
import { canRunAgain, hasEndedWithoutPicture, type Image, isFinished, isSameImage } from '../../domain/image.ts';
import { type Caller, type CreateImage, type ImageRequest, mayChange, maySee } from '../../domain/request.ts';
import type { TakeInputs } from '../../inputs/intake.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FoundCall, RecordStore } from '../../ports/record-store.ts';
import type { Deletions } from '../../retention/deletions.ts';
import type { AcceptImages } from '../acceptance.ts';
import { overloadError, type SubmitOptions } from '../admission.ts';
import type { CallIdentity, Calls, OpenCall } from '../calls.ts';
import { idempotencyKeyReused, type Rerun } from '../rerun.ts';
import type { WaitUntilFinished } from '../wait.ts';
import type { CallsElsewhere } from './calls-elsewhere.ts';
import { chooseCall } from './choice.ts';
import { createOpenCalls } from './open-calls.ts';
import { createSubmissions } from './submissions.ts';

interface CallsDeps {
  readonly records: Pick<RecordStore, 'get' | 'findByKey' | 'findCall' | 'findCalls'>;
  readonly accept: AcceptImages;
  readonly rerun: Rerun;
  /** Fills in presets and defaults. */
  readonly resolve: (create: CreateImage) => ImageRequest;
  readonly takeInputs: TakeInputs;
  readonly waitUntilFinished: WaitUntilFinished;
  readonly deletions: Pick<Deletions, 'cancel'>;
  readonly clock: Pick<Clock, 'now'>;
  /** Makes a mediaId. */
  readonly newId: () => string;
  /** The clients at other processes over the same records; absent where there are none. */
  readonly elsewhere?: CallsElsewhere;
}

/** How long after its end a call is given to retries, in milliseconds. */
const COLLECTED_FOR_MS = 600_000;

/** The most images of equal calls among which a retry's own is looked for. */
const MAX_CANDIDATES = 1000;

/** The id of a call is the mediaId of its first image. */
export function createCalls(deps: CallsDeps): Calls {
  const { records, accept, rerun, resolve, takeInputs, waitUntilFinished, deletions, clock, newId, elsewhere } = deps;
  const openCalls = createOpenCalls();
  const submissions = createSubmissions();
  const startedAt = clock.now();

  /** Ids of the calls to which a request may belong that says it is a retry, oldest first. */
  const findCandidates = (owner: string, digest: string) =>
    records.findCalls({ owner, digest, endedSince: clock.now() - COLLECTED_FOR_MS, limit: MAX_CANDIDATES });

  /** Counts a client of the call in: at once here, so that of two retries the second knows of the first, and then elsewhere. */
  async function enter(id: string): Promise<Disposable> {
    const here = openCalls.enter(id);
    if (elsewhere === undefined) return here;
    try {
      const there = await elsewhere.enter(id);
      return {
        [Symbol.dispose]() {
          here[Symbol.dispose]();
          there[Symbol.dispose]();
        },
      };
    } catch (error) {
      here[Symbol.dispose]();
      throw error;
    }
  }

  function noteDelivered(id: string): void {
    openCalls.noteDelivered(id);
    elsewhere?.noteDelivered(id);
  }

  /** The function that chooses among the candidates, by what is known of their clients here and elsewhere. */
  async function createChoice(candidates: readonly FoundCall[]) {
    const known = await elsewhere?.lookAt(candidates);
    const clients = {
      isAwaited: (id: string) => openCalls.isAwaited(id) || (known?.awaited.has(id) ?? false),
      wasDelivered: (id: string) => openCalls.wasDelivered(id) || (known?.delivered.has(id) ?? false),
    };
    return (left: readonly FoundCall[]) => chooseCall(left, clients, startedAt);
  }

  /**
   * The earlier call of which this request is another sending, entered by its client; null for a fresh one. Raises
   * `idempotency_key_reused` where its key was sent with another request.
   */
  async function enterEarlier(owner: string, identity: CallIdentity): Promise<OpenCall | null> {
    const { digest, idempotencyKey } = identity;
    if (idempotencyKey !== null) {
      const first = await records.findByKey(owner, idempotencyKey);
      if (first === null) return null;
      if (first.call?.digest !== digest) throw idempotencyKeyReused(first.mediaId);
      const call = await enterCall(first.call.id);
      if (call.images.length > 0) return call;
      // Deleted since it was found, and its key is free.
      call[Symbol.dispose]();
      return null;
    }
    if (!isRetry(identity)) return null;
    let candidates = await findCandidates(owner, digest);
    const choose = await createChoice(candidates);
    for (;;) {
      const chosen = choose(candidates);
      if (chosen === undefined) return null;
      const call = await enterCall(chosen.id);
      if (isWhole(call.images)) return call;
      call[Symbol.dispose]();
      candidates = candidates.filter(({ id }) => id !== chosen.id);
    }
  }

  async function enterCall(id: string): Promise<OpenCall> {
    const place = await enter(id);
    try {
      return openCall(id, await records.findCall(id), place, false);
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  /** Runs the images again for which that is free of doubt, unless others of the call have made a picture. */
  async function runAgain(call: OpenCall, requestId: string | undefined): Promise<OpenCall> {
    const images: Image[] = [];
    let started = false;
    for (const image of call.images) {
      try {
        const submission = canRunAgain(image) ? await rerun(image, { mayCostAgain: false, requestId }) : null;
        started ||= submission?.started ?? false;
        images.push(submission?.image ?? image);
      } catch (error) {
        // What runs goes on, and is the answer; this one stays failed beside it.
        if (images.every(({ status }) => isFinished(status))) throw error;
        images.push(image);
      }
    }
    return openCall(call.id, images, call, started);
  }

  /** The earlier call, joined or collected or run again. */
  async function join(call: OpenCall, { overloaded = false, requestId }: SubmitOptions): Promise<OpenCall> {
    try {
      if (!runsAgain(call.images)) {
        if (call.images.every(({ status }) => isFinished(status))) noteDelivered(call.id);
        return call;
      }
      if (overloaded) throw overloadError();
      return await runAgain(call, requestId);
    } catch (error) {
      call[Symbol.dispose]();
      throw error;
    }
  }

  async function submit(
    create: CreateImage,
    count: number,
    caller: Caller,
    identity: CallIdentity,
    options: SubmitOptions,
  ): Promise<OpenCall> {
    const owner = caller.name;
    const { digest, idempotencyKey } = identity;
    const { overloaded = false, requestId } = options;
    for (;;) {
      const earlier = await enterEarlier(owner, identity);
      if (earlier) return await join(earlier, options);

      const resolved = resolve(create);
      if (overloaded) throw overloadError();
      using inputs = await takeInputs(create, resolved, caller);
      const id = newId();
      const mediaIds = [id, ...Array.from({ length: count - 1 }, () => newId())] as const;
      // Before it can be found, so that no retry takes it for one that no client waits for.
      const place = await enter(id);
      try {
        const call = { id, digest };
        const acceptance = await accept({ inputs, owner, mediaIds, idempotencyKey, call, requestId });
        if (acceptance.outcome === 'accepted') return openCall(id, acceptance.images, place, true);
      } catch (error) {
        place[Symbol.dispose]();
        throw error;
      }
      // A call with the same key was accepted between the look-up and this transaction.
      place[Symbol.dispose]();
    }
  }

  return {
    async submit(create, count, caller, identity, options = {}) {
      const submitted = () => submit(create, count, caller, identity, options);
      // Those with a key need no turn: the write itself finds the earlier one.
      if (identity.idempotencyKey !== null) return await submitted();
      const kind = kindOf(caller, identity);
      const retry = isRetry(identity);
      const inTurn = () => (elsewhere ? elsewhere.inTurn(kind, retry, submitted) : submitted());
      return await submissions.run(kind, retry, inTurn);
    },

    async isKnown(caller, identity) {
      const { digest, idempotencyKey } = identity;
      if (idempotencyKey !== null) {
        const call = (await records.findByKey(caller.name, idempotencyKey))?.call;
        return call?.digest === digest && !runsAgain(await records.findCall(call.id));
      }
      if (!isRetry(identity)) return false;
      await submissions.settled(kindOf(caller, identity));
      // Which of several it is does not matter here, so what happens elsewhere does not either.
      const chosen = chooseCall(await findCandidates(caller.name, digest), openCalls, startedAt);
      if (chosen === undefined) return false;
      const images = await records.findCall(chosen.id);
      return isWhole(images) && !runsAgain(images);
    },

    async wait(call, timeoutMs, signal) {
      const found = await Promise.all(
        call.images.map(async (image) => {
          const current = await waitUntilFinished(image.mediaId, timeoutMs, signal);
          return current !== null && isSameImage(image, current) ? [current] : [];
        }),
      );
      const images = found.flat();
      if (images.length === 0)
        throw new ImageError('not_found', 'the picture was deleted while it was being made', { mediaId: call.id });
      if (images.every(({ status }) => isFinished(status)) && !signal.aborted) noteDelivered(call.id);
      return { id: call.id, images };
    },

    noteDelivered: ({ id }) => noteDelivered(id),

    async cancelUnlessAwaited(call, caller) {
      call[Symbol.dispose]();
      if (openCalls.isAwaited(call.id)) return;
      await using closed = await elsewhere?.close(call.id);
      if (closed === null) return;
      const own = call.images.filter(({ owner }) => mayChange(caller, owner));
      await Promise.all(own.map((image) => deletions.cancel(image)));
    },

    async find(mediaId, caller: Caller) {
      const image = await records.get(mediaId);
      if (image === null || !maySee(caller, image.owner))
        throw new ImageError('not_found', `there is no image ${mediaId}`);
      const { call } = image;
      return call ? { id: call.id, images: await records.findCall(call.id) } : { id: mediaId, images: [image] };
    },
  };
}

/** Whether the client says that it has sent the call before. */
function isRetry({ retryCount }: CallIdentity): boolean {
  return retryCount !== null && retryCount > 0;
}

/** What equal calls of one caller have in common. */
function kindOf(caller: Caller, { digest }: CallIdentity): string {
  return `${digest} ${caller.name}`;
}

function openCall(id: string, images: readonly Image[], place: Disposable, started: boolean): OpenCall {
  return { id, images, started, [Symbol.dispose]: () => place[Symbol.dispose]() };
}

/** False where an image of the call was deleted. */
function isWhole(images: readonly Image[]): boolean {
  return images.length > 0 && images.length === images[0]?.call?.count;
}

/** True for a call without a picture of which an image runs again by itself: it did not cost, or was cancelled. */
function runsAgain(images: readonly Image[]): boolean {
  return images.every(hasEndedWithoutPicture) && images.some(canRunAgain);
}
