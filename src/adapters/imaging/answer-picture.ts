import type { Sharp } from '../provenance/reader.ts';

/** Longest side of a picture in an answer, in pixels. */
const LONGEST_SIDE = 512;
/** Quality of the JPEG: at this size a picture has some 40 kB. */
const QUALITY = 80;

/** Makes the picture of an answer to an agent: PNG where it has transparent parts, else JPEG, since few clients show other formats. */
export async function makeAnswerPicture(
  sharp: Sharp,
  picture: Uint8Array,
): Promise<{ readonly mimeType: string; readonly bytes: Uint8Array }> {
  const small = sharp(picture).resize(LONGEST_SIDE, LONGEST_SIDE, { fit: 'inside', withoutEnlargement: true });
  const { isOpaque } = await sharp(picture).stats();
  return isOpaque
    ? { mimeType: 'image/jpeg', bytes: await small.jpeg({ quality: QUALITY }).toBuffer() }
    : { mimeType: 'image/png', bytes: await small.png().toBuffer() };
}
