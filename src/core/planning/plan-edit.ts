import { ImageError } from '../domain/errors.ts';
import type { MasterFormat } from '../domain/formats.ts';
import type { Input } from '../domain/input.ts';
import type { Model } from '../domain/model.ts';
import type { CallOptionName, CallOptions, ImageRequest } from '../domain/request.ts';
import type { EditParts } from '../ports/provider.ts';

/**
 * The pictures that the call starts from; null where the request names none. Raises `unsupported_parameter`, with the path of each input
 * concerned, where the model cannot edit, or takes fewer or smaller pictures.
 */
export function planEdit(request: Pick<ImageRequest, 'inputs' | 'mask'>, model: Model): EditParts | null {
  const { inputs = [] } = request;
  const mask = request.mask ?? null;
  if (inputs.length === 0 && mask === null) return null;
  const { id, edits } = model;
  if (edits === null) {
    throw unsupported(`${id} cannot start from pictures`, [
      { path: 'inputs', message: 'leave inputs and mask out, or choose a model that edits pictures' },
    ]);
  }
  if (inputs.length === 0) {
    throw unsupported('a mask belongs to the first input, and there is none', [
      { path: 'mask', message: 'name the picture that it is for in inputs' },
    ]);
  }
  if (inputs.length > edits.images) {
    throw unsupported(`${id} starts from at most ${edits.images} pictures, and ${inputs.length} were given`, [
      { path: `inputs.${edits.images}`, message: `at most ${edits.images} inputs, those of a preset included` },
    ]);
  }
  const issues = [
    ...inputs.map((input, index) => sizeIssue(input, edits.imageBytes, `inputs.${index}`)),
    mask && sizeIssue(mask, edits.maskBytes, 'mask'),
  ].filter((issue) => issue !== null);
  if (issues.length > 0) throw unsupported(`${id} does not take pictures of this many bytes`, issues);
  return { inputs, mask };
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
