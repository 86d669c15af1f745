/** A part to write into a `multipart/form-data` body; with a file name or a content type where they are given. */
export interface PartToSend {
  readonly name: string;
  readonly content: string | Buffer;
  readonly fileName?: string;
  readonly contentType?: string;
}

export const BOUNDARY = 'a-boundary';

/** The bytes of a `multipart/form-data` body as they are sent, and its content type. */
export function multipart(parts: readonly PartToSend[], boundary = BOUNDARY) {
  const written = parts.flatMap(({ name, content, fileName, contentType }) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`,
    fileName === undefined ? '' : `; filename="${fileName}"`,
    contentType === undefined ? '' : `\r\nContent-Type: ${contentType}`,
    '\r\n\r\n',
    content,
    '\r\n',
  ]);
  const bytes = Buffer.concat([...written, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece)));
  return { contentType: `multipart/form-data; boundary=${boundary}`, bytes };
}
