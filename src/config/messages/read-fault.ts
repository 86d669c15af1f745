/** Why a file cannot be read, by the code of the error. */
const READ_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no file at this path',
  ENOTDIR: 'there is no file at this path',
  EISDIR: 'this path leads to a folder, and must lead to a file',
  EACCES: 'the user that runs Easel may not read the file',
  EPERM: 'the user that runs Easel may not read the file',
};

/** What to say of an error of `node:fs`. */
export function readFault(error: unknown): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  return READ_FAULTS[code] ?? `the file cannot be read (${code})`;
}
