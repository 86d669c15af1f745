import type { GenerateRequest, PictureInput } from '../client/easel.ts';
import type { GivenPicture, PictureArguments } from './arguments.ts';
import { ownProblem, ToolError } from './tool-problem.ts';

/** Pictures that were taken out of a call before it was parsed, by what stands in their place. */
export type TakenPictures = Pick<Map<string, Uint8Array>, 'get' | 'clear'>;

/** The request of a call: its data URLs as files. Raises `invalid_request` for a picture that is not named in exactly one way. */
export function toRequest({ inputs, mask, ...fields }: PictureArguments, taken: TakenPictures): GenerateRequest {
  return {
    ...fields,
    ...(inputs != null && { inputs: inputs.map((given, index) => toInput(given, `inputs.${index}`, taken)) }),
    ...(mask != null && { mask: toInput(mask, 'mask', taken) }),
  };
}

function toInput(given: GivenPicture, path: string, taken: TakenPictures): PictureInput {
  const { mediaId, url, data } = given;
  const ways = Object.values(given).filter((value) => value != null);
  if (ways.length !== 1) throw invalid(path, 'must have exactly one of mediaId, url and data');
  if (data != null) return { file: toFile(data, `${path}.data`, taken) };
  return mediaId != null ? { mediaId } : { url: url ?? undefined };
}

function toFile(data: string, path: string, taken: TakenPictures): Blob {
  const bytes = taken.get(data) ?? bytesOf(data);
  if (bytes === null) throw invalid(path, 'must be a base64 data URL, such as data:image/png;base64,…');
  // What the bytes are decides, not what a header says of them.
  return new Blob([bytes as Uint8Array<ArrayBuffer>]);
}

function bytesOf(data: string): Uint8Array | null {
  const base64 = /^data:[^,]*;\s*base64,(.*)$/is.exec(data)?.[1];
  return base64 === undefined || !/^[\w+/=\s-]+$/.test(base64) ? null : Buffer.from(base64, 'base64');
}

function invalid(path: string, message: string): ToolError {
  const errors = [{ path, message }];
  return new ToolError(ownProblem('invalid_request', `wrong in the arguments: \`${path}\` ${message}`, { errors }));
}
