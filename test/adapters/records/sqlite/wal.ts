import { readFile } from 'node:fs/promises';

const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/**
 * The number of commits in a write-ahead log since it last began anew: the last frame of each has the size of the database in its header,
 * and each costs one sync (https://sqlite.org/fileformat2.html#walformat). 0 where there is no log.
 */
export async function countCommits(path: string): Promise<number> {
  const log = await readFile(path).catch(() => Buffer.alloc(0));
  if (log.length === 0) return 0;
  const pageBytes = log.readUInt32BE(8);
  // Frames of an older log may follow those of this one, which all have the salt of its header.
  const salt = log.subarray(16, 24);
  let commits = 0;
  for (let at = WAL_HEADER_BYTES; at < log.length; at += FRAME_HEADER_BYTES + pageBytes) {
    if (!log.subarray(at + 8, at + 16).equals(salt)) break;
    if (log.readUInt32BE(at + 4) > 0) commits += 1;
  }
  return commits;
}
