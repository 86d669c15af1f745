import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { PictureInput } from '../../client/easel.ts';
import { isGivenName, masterName } from '../../core/domain/file-names.ts';
import { describeSystemError, UsageError } from '../failure.ts';

/** What the name of a picture's file ends in. */
const FILE_NAME = /\.(?:png|jpe?g|webp|gif|avif|tiff?|svg|bmp|heic)$/i;

/**
 * The picture that the value of `option` names: an http or https address, a file of this machine, or the mediaId of a picture of the
 * service. Raises `UsageError` where it can be none of these, before anything is paid.
 */
export async function toInput(option: string, text: string): Promise<PictureInput> {
  if (/^https?:\/\//i.test(text)) return { url: text };
  const file = await stat(text).catch(() => null);
  if (file?.isFile()) {
    const blob = await openAsBlob(text).catch((error: Error) => {
      throw new UsageError(`${option}: ${text} cannot be read: ${describeSystemError(error)}`);
    });
    return { file: blob };
  }
  if (file !== null) throw new UsageError(`${option}: ${text} is a folder; name a file`);
  const isMediaId = isGivenName(masterName(text, 'png')) && !FILE_NAME.test(text);
  if (!isMediaId) {
    throw new UsageError(`${option}: there is no file ${text}; name a file, a URL, or the mediaId of a picture`);
  }
  return { mediaId: text };
}
