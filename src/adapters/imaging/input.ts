import { ImageError } from '../../core/domain/errors.ts';
import { sha256 } from '../../core/domain/file-names.ts';
import { INPUT_FORMATS, type InputFormat } from '../../core/domain/input.ts';
import type { InspectedPicture } from '../../core/ports/imaging.ts';
import { readContainer, TRAILING_BYTES } from './container.ts';
import { readHeader } from './decode/decoder.ts';
import { freePixels } from './decode/pixels.ts';
import { type DecodeLimits, readPicture } from './inspect.ts';

/**
 * `Imaging.inspect` with sharp. It is read as an original is, so that every row of its pixels has to be there; of what is repaired for
 * that, only its missing end keeps other readers from it.
 */
export async function inspectInput(input: Uint8Array, limits: DecodeLimits): Promise<InspectedPicture> {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const { format, flaw } = readContainer(bytes);
  const inputFormat = asInputFormat(format);
  if (flaw !== null && flaw !== TRAILING_BYTES) throw invalidImage(`the ${format} picture is broken: ${flaw}`);
  const { width, height, pixels } = await readPicture(bytes, limits);
  freePixels(pixels);
  const { hasAlpha } = await readHeader(bytes);
  return { format: inputFormat, width, height, hasAlpha, sha256: sha256(bytes) };
}

function asInputFormat(format: string): InputFormat {
  const known = INPUT_FORMATS.find((one) => one === format);
  if (known === undefined) throw invalidImage(`the picture is a ${format}; only ${INPUT_FORMATS.join(', ')} are taken`);
  return known;
}

function invalidImage(detail: string): ImageError {
  return new ImageError('invalid_image', detail);
}
