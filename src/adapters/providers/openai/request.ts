import type { ImageEditParams, ImageGenerateParams } from 'openai/resources/images';
import { ProviderError } from '../../../core/domain/errors.ts';
import { formatSize } from '../../../core/domain/geometry.ts';
import type { Input } from '../../../core/domain/input.ts';
import type { OmittableParameter } from '../../../core/domain/model.ts';
import type { EditParts, GenerationCall, GenerationOptions } from '../../../core/ports/provider.ts';

/** The parameters that generations and edits share. Those of one alone are in a call of that kind only. */
type SharedParameters = ImageGenerateParams & Omit<ImageEditParams, 'image' | 'mask'>;

/** The parameters of a call as the API names them, without its pictures and those in `omit`. */
export function toParameters(call: GenerationCall, omit: readonly OmittableParameter[]): SharedParameters {
  const { moderation, compression, inputFidelity, safetyIdentifier } = call.options ?? {};
  const parameters = {
    model: call.model.id,
    prompt: call.prompt,
    size: formatSize(call.size),
    n: 1,
    // The SDK's types list the qualities and styles known at its release; the catalog decides which ones are sent.
    ...(call.quality !== null && { quality: call.quality }),
    ...(call.style !== null && { style: call.style }),
    ...(call.background !== null && { background: call.background }),
    ...(call.format !== null && { output_format: call.format }),
    ...(compression !== undefined && { output_compression: compression }),
    ...(moderation !== undefined && { moderation }),
    ...(inputFidelity !== undefined && { input_fidelity: inputFidelity }),
    ...(safetyIdentifier !== undefined && { safety_identifier: safetyIdentifier }),
    ...(call.partialImages > 0 && { stream: true, partial_images: call.partialImages }),
  } as SharedParameters;
  for (const parameter of omit) delete parameters[parameter];
  return parameters;
}

/**
 * The pictures of an edit as parts of a multipart body, their bytes as they came, in order. A single one is sent as `image`, several as
 * `image[]`: servers that know one picture only expect the former.
 */
export function toFiles(
  { inputs, mask }: EditParts,
  bytes: GenerationOptions['inputBytes'],
): Pick<ImageEditParams, 'image' | 'mask'> {
  const files = inputs.map((input, index) => toFile(input, `image-${index + 1}`, bytes));
  const [first] = files;
  return {
    image: files.length === 1 && first !== undefined ? first : files,
    ...(mask !== null && { mask: toFile(mask, 'mask', bytes) }),
  };
}

/** Raises `ProviderError` where the bytes are not there: nothing is sent. */
function toFile({ sha256, format }: Input, name: string, all: GenerationOptions['inputBytes']): File {
  const bytes = all?.get(sha256);
  if (bytes === undefined)
    throw new ProviderError('rejected', `the bytes of the input ${sha256} are not there; nothing was sent`);
  const ending = format === 'jpeg' ? 'jpg' : format;
  return new File([bytes as Uint8Array<ArrayBuffer>], `${name}.${ending}`, { type: `image/${format}` });
}
