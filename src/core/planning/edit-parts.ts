import { ImageError } from '../domain/errors.ts';
import type { Model } from '../domain/model.ts';
import { type ImageRequest, picturesSent } from '../domain/request.ts';
import type { EditParts } from '../ports/provider.ts';

/**
 * The pictures that the call for a request starts from: the caller's, then the references of its preset; null where it has none. Pure.
 * Raises `unsupported_parameter` where the model cannot edit, takes fewer pictures, or none as large.
 */
export function planEdit(request: ImageRequest, model: Model): EditParts | null {
  const pictures = picturesSent(request);
  if (pictures.length === 0) return null;
  const { inputs = [], references = [], preset } = request;
  // The caller can change its own part alone.
  const path = inputs.length > 0 ? 'inputs' : 'preset';
  const fromPreset = references.length > 0 ? `${countOf(references.length, 'reference picture')} of ${preset}` : '';

  if (model.edits === null) {
    const what = inputs.length > 0 ? 'input pictures' : fromPreset;
    throw refusal(
      `${model.id} cannot edit, so it cannot be sent the ${what}`,
      path,
      'leave them out, or choose a model that edits',
    );
  }
  const { images, imageBytes } = model.edits;
  if (pictures.length > images) {
    const sum = [inputs.length > 0 && countOf(inputs.length, 'input'), fromPreset].filter(Boolean).join(' and the ');
    const room = Math.max(0, images - references.length);
    const message = inputs.length > 0 ? `at most ${room} with this model` : 'leave it out, or choose another model';
    throw refusal(`${model.id} takes at most ${countOf(images, 'picture')}, fewer than the ${sum}`, path, message);
  }
  const tooLarge = pictures.findIndex(({ bytes }) => bytes > imageBytes);
  if (tooLarge >= 0) {
    const place = tooLarge < inputs.length ? `inputs.${tooLarge}` : 'preset';
    const detail = `${model.id} takes pictures of at most ${imageBytes} bytes`;
    throw refusal(`${detail}, and one has ${pictures[tooLarge]?.bytes}`, place, 'use a smaller file');
  }
  return { inputs: pictures, mask: request.mask ?? null };
}

function countOf(count: number, thing: string): string {
  return count === 1 ? `1 ${thing}` : `${count} ${thing}s`;
}

function refusal(detail: string, path: string, message: string): ImageError {
  return new ImageError('unsupported_parameter', detail, { paths: [{ path, message }] });
}
