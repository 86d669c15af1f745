import { ImageError } from '../../core/domain/errors.ts';
import { sha256 } from '../../core/domain/file-names.ts';
import { INPUT_FORMATS, type InputFormat } from '../../core/domain/input.ts';
import type { InspectedPicture } from '../../core/ports/imaging.ts';
import { readContainer, TRAILING_BYTES } from './container.ts';
import { decodePixels, readHeader } from './decode/decoder.ts';
import { freePixels } from './decode/pixels.ts';
import { withWorkLimit } from './decode/work-limit.ts';
import { type DecodeLimits, refuseByHeader } from './inspect.ts';

/** `Imaging.inspect` with sharp. Bytes, structure and header are checked before a pixel is decoded. */
export async function inspectInput(input: Uint8Array, limits: DecodeLimits): Promise<InspectedPicture> {
  if (input.byteLength > limits.bytes) {
    throw invalidImage(`the picture has ${input.byteLength} bytes, more than ${limits.bytes}`);
  }
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const container = readContainer(bytes);
  const format = inputFormat(container.format);
  if (container.flaw !== null && container.flaw !== TRAILING_BYTES) {
    throw invalidImage(`the ${format} picture is broken: ${container.flaw}`);
  }
  return await withWorkLimit(limits.decodeSeconds, async () => {
    const header = await readHeader(bytes);
    refuseByHeader(container, header, limits);
    // What a decoder warns of is no fault, pixels that are not there are one.
    const { data, info } = await decodePixels(bytes, header, { failOn: 'error', maxPixels: limits.pixels });
    freePixels(data);
    return { format, width: info.width, height: info.height, hasAlpha: header.hasAlpha, sha256: sha256(bytes) };
  });
}

function inputFormat(format: string): InputFormat {
  const known = INPUT_FORMATS.find((one) => one === format);
  if (known === undefined) throw invalidImage(`the picture is a ${format}; only ${INPUT_FORMATS.join(', ')} are taken`);
  return known;
}

function invalidImage(detail: string): ImageError {
  return new ImageError('invalid_image', detail);
}
