import { canRunAgain } from '../domain/image.ts';
import type { GivenInput, Input } from '../domain/input.ts';
import type { Caller, CreateImage, ImageRequest } from '../domain/request.ts';
import type { TakeInputs } from '../inputs/intake.ts';
import type { RecordStore } from '../ports/record-store.ts';
import type { AcceptImages } from './acceptance.ts';
import { overloadError, type Submission, type SubmitOptions } from './admission.ts';
import { findExistingImage, type JoinOrRerun } from './rerun.ts';

export type Submit = (
  create: CreateImage,
  caller: Caller,
  idempotencyKey: string | null,
  options?: SubmitOptions,
) => Promise<Submission>;

interface SubmitDeps {
  readonly records: Pick<RecordStore, 'get' | 'findByKey'>;
  readonly accept: AcceptImages;
  readonly joinOrRerun: JoinOrRerun;
  /** Fills in presets and defaults. */
  readonly resolve: (create: CreateImage) => ImageRequest;
  readonly takeInputs: TakeInputs;
  /** Makes a mediaId for a request that names none. */
  readonly newId: () => string;
}

/**
 * Accepts a request: when the promise resolves, the image and its job are durable, or the image of an equal request was found.
 * Every error that can be known beforehand is raised here, before anything is paid.
 */
export function createSubmit({ records, accept, joinOrRerun, resolve, takeInputs, newId }: SubmitDeps): Submit {
  /** The picture that was given, or its stored content where an earlier request took it and it was deleted since. */
  async function orStored(given: GivenInput, stored: Input | undefined): Promise<GivenInput> {
    if (stored === undefined || !('mediaId' in given && 'mediaId' in stored.source)) return given;
    const isTheSame = given.mediaId === stored.source.mediaId && (await records.get(given.mediaId)) === null;
    return isTheSame ? { sha256: stored.sha256 } : given;
  }

  /** A request that is sent again is the same one although pictures that it started from are gone. */
  async function withStoredInputs(create: CreateImage, earlier: ImageRequest): Promise<CreateImage> {
    const { inputs, mask } = create;
    return {
      ...create,
      inputs: inputs && (await Promise.all(inputs.map((given, index) => orStored(given, earlier.inputs?.[index])))),
      mask: mask && (await orStored(mask, earlier.mask)),
    };
  }

  return async (create, caller, idempotencyKey, options = {}) => {
    const { overloaded = false, requestId } = options;
    const resolved = resolve(create);
    const existing = await findExistingImage(records, create, caller, idempotencyKey);
    // A replay costs next to nothing and returns what was already paid for, so it is served even under overload.
    if (overloaded && (existing === null || canRunAgain(existing.image))) throw overloadError();
    const isOwn = existing?.image.owner === caller.name;
    const given = isOwn ? await withStoredInputs(create, existing.image.request) : create;
    using inputs = await takeInputs(given, resolved, caller, { toCompare: existing !== null });
    if (existing) return await joinOrRerun(existing, { create, inputs }, caller, options);

    const mediaIds = [create.mediaId ?? newId()] as const;
    const acceptance = await accept({ inputs, owner: caller.name, mediaIds, idempotencyKey, requestId });
    // A request with the same mediaId or key, equal or not, was accepted between the look-up above and this transaction.
    if (acceptance.outcome === 'exists') return await joinOrRerun(acceptance, { create, inputs }, caller, options);
    const [image] = acceptance.images;
    return { image, started: true, replayed: false };
  };
}
