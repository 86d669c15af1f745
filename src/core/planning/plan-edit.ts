import { ImageError } from '../domain/errors.ts';
import { type Input, picturesSent } from '../domain/input.ts';
import type { Model } from '../domain/model.ts';
import type { ImageRequest } from '../domain/request.ts';
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
  return bytes <= most ? null : { path, message: `has ${bytes} bytes; at most ${most} are taken` };
}

function unsupported(
  detail: string,
  paths: readonly { readonly path: string; readonly message: string }[],
): ImageError {
  return new ImageError('unsupported_parameter', detail, { paths });
}
