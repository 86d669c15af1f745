/**
 * Makes `fsync` fail with EIO, as on a dying disk. Loaded ahead of the service (`node --import`).
 * `FSYNC_FAILS` names a file; while it exists, `fsync` fails for every path that ends in that file's text. The bytes are still written.
 */

import { readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const order = process.env.FSYNC_FAILS ?? '';
const { open } = fs;

fs.open = async (path, ...rest) => {
  const handle = await open(path, ...rest);
  const { sync } = handle;
  handle.sync = async () => {
    const end = failingEnd();
    if (end !== null && String(path).endsWith(end)) {
      throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO', errno: -5, syscall: 'fsync' });
    }
    await sync.call(handle);
  };
  return handle;
};

function failingEnd(): string | null {
  try {
    return readFileSync(order, 'utf8');
  } catch {
    return null;
  }
}

syncBuiltinESMExports();
