/** The body of a request for a picture: JSON, or multipart where it brings files. */

import type { GenerateRequest, PictureInput } from './easel.ts';

/** Bytes for each millisecond that the slowest connection carries to the service: 0.5 Mbit/s. */
const SLOWEST_BYTES_PER_MS = 64;

interface RequestBody {
  readonly body: unknown;
  /** Longest that its files take to arrive, in milliseconds. */
  readonly uploadMs: number;
}

/** Makes the body: what is a blob in `inputs` and `mask` becomes a part of its own, which the JSON of the part `request` names. */
export function toRequestBody(request: GenerateRequest): RequestBody {
  const files = new Map<string, Blob>();
  const nameFile = (picture: PictureInput, name: string) => {
    if (!('file' in picture) || picture.file === undefined) return picture;
    files.set(name, picture.file);
    return { ...picture, file: name };
  };
  const { inputs, mask } = request;
  const json = {
    ...request,
    ...(inputs && { inputs: inputs.map((input, index) => nameFile(input, `input-${index + 1}`)) }),
    ...(mask && { mask: nameFile(mask, 'mask') }),
  };
  if (files.size === 0) return { body: json, uploadMs: 0 };
  const form = new FormData();
  form.append('request', JSON.stringify(json));
  let bytes = 0;
  for (const [name, file] of files) {
    if (!(file instanceof Blob)) throw new TypeError(`the file of ${name} must be a Blob or a File`);
    form.append(name, file);
    bytes += file.size;
  }
  return { body: form, uploadMs: bytes / SLOWEST_BYTES_PER_MS };
}
