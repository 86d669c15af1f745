import { ImageError } from '../domain/errors.ts';
import type { MasterFormat } from '../domain/formats.ts';
import { type Input, picturesSent } from '../domain/input.ts';
import type { Model } from '../domain/model.ts';
import type { CallOptionName, CallOptions, ImageRequest } from '../domain/request.ts';
import type { EditParts } from '../ports/provider.ts';

/** What of a request decides on the pictures that its call starts from. */
type EditRequest = Pick<ImageRequest, 'inputs' | 'mask' | 'references'> & Partial<Pick<ImageRequest, 'preset'>>;

/**
 * The pictures that the call starts from, the caller's before those of its preset; null where there are none. Raises
 * `unsupported_parameter`, with the path of each input concerned, where the model cannot edit, or takes fewer or smaller pictures.
 */
export function planEdit(request: EditRequest, model: Model): EditParts | null {
  const { inputs = [], references = [] } = request;
  const mask = request.mask ?? null;
  const pictures = picturesSent(request);
  if (pictures.length === 0 && mask === null) return null;
  const { id, edits } = model;
  if (edits === null) throw cannotEdit(request, id);
  if (inputs.length === 0 && mask !== null) {
    throw unsupported('a mask belongs to the first input, and there is none', [
      { path: 'mask', message: 'name the picture that it is for in inputs' },
    ]);
  }
  if (pictures.length > edits.images) throw tooMany(request, id, edits.images);
  const issues = [
    ...inputs.map((input, index) => sizeIssue(input, edits.imageBytes, `inputs.${index}`)),
    ...references.map((reference) => sizeIssue(reference, edits.imageBytes, 'preset')),
    mask && sizeIssue(mask, edits.maskBytes, 'mask'),
  ].filter((issue) => issue !== null);
  if (issues.length > 0) throw unsupported(`${id} does not take pictures of this many bytes`, issues);
  return { inputs: pictures, mask };
}

function cannotEdit({ inputs = [], mask, references = [], preset }: EditRequest, model: string): ImageError {
  if (inputs.length > 0 || mask) {
    return unsupported(`${model} cannot start from pictures`, [
      { path: 'inputs', message: 'leave inputs and mask out, or choose a model that edits pictures' },
    ]);
  }
  return unsupported(`${model} cannot start from pictures, and ${preset} brings ${referenceCount(references)}`, [
    { path: 'preset', message: 'choose a model that edits pictures, or another preset' },
  ]);
}

function tooMany({ inputs = [], references = [], preset }: EditRequest, model: string, most: number): ImageError {
  const brought = `${preset} brings ${referenceCount(references)}`;
  if (inputs.length === 0) {
    return unsupported(`${model} starts from at most ${most} pictures, and ${brought}`, [
      { path: 'preset', message: 'choose a model that takes more pictures, or another preset' },
    ]);
  }
  const given = `${model} starts from at most ${most} pictures, and ${inputs.length} were given`;
  const first = Math.max(0, most - references.length);
  return unsupported(references.length === 0 ? given : `${given}; ${brought}`, [
    { path: `inputs.${first}`, message: `at most ${most} inputs, those of a preset included` },
  ]);
}

function referenceCount({ length }: readonly unknown[]): string {
  return length === 1 ? '1 reference picture' : `${length} reference pictures`;
}

function sizeIssue({ bytes }: Input, most: number, path: string) {
  if (most === 0) return { path, message: 'the model takes none; leave it out' };
  return bytes <= most ? null : { path, message: `has ${bytes} bytes; at most ${most} are taken` };
}

function unsupported(
  detail: string,
  paths: readonly { readonly path: string; readonly message: string }[],
): ImageError {
  return new ImageError('unsupported_parameter', detail, { paths });
}

/** What decides, beside the model, which options a call takes. */
interface OptionContext {
  readonly isEdit: boolean;
  /** The format that is asked for; null for none. */
  readonly format: MasterFormat | null;
}

/** The options that the call takes; `drop` is called for each of the others. */
export function planOptions(
  options: CallOptions,
  model: Model,
  context: OptionContext,
  drop: (name: string, detail: string) => void,
): CallOptions {
  const kept = Object.entries(options).filter(([key, value]) => {
    if (value === undefined) return false;
    const name = key as CallOptionName;
    const reason = model.options.includes(name) ? whyNot(name, context) : `${name} is not a parameter of ${model.id}`;
    if (reason !== null) drop(name, reason);
    return reason === null;
  });
  return Object.fromEntries(kept);
}

/** Why an option has no place in this call of a model that takes it otherwise; null where it has. */
function whyNot(name: CallOptionName, { isEdit, format }: OptionContext): string | null {
  switch (name) {
    case 'moderation':
      // The API's description of edits lacks it (types of the SDK 7.57.0).
      return isEdit ? 'moderation is a parameter of pictures that start from a prompt alone' : null;
    case 'inputFidelity':
      return isEdit ? null : 'inputFidelity is about inputs, and there are none';
    case 'compression':
      return format === 'jpeg' || format === 'webp'
        ? null
        : 'compression is about a jpeg or webp as the model makes it, and the model is asked for another format';
    case 'safetyIdentifier':
      return null;
  }
}
