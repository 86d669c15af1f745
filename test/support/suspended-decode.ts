/**
 * Loaded ahead of the service: a decode may take 1 s instead of 30, and the process stops itself (SIGSTOP) once, in the middle of the
 * first decode of at least `SUSPENDED_BYTES`, after the line `suspended`.
 */

import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';
import sharp from 'sharp';

const LIMIT = 'decodeSeconds: 30';

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith('/adapters/imaging/finish.ts')) return loaded;
    const source = String(loaded.source);
    if (!source.includes(LIMIT)) throw new Error(`there is no ${LIMIT} in ${url}`);
    return { ...loaded, source: source.replace(LIMIT, 'decodeSeconds: 1') };
  },
});

let suspended = false;
const { toBuffer } = sharp.prototype;
sharp.prototype.toBuffer = function (this: object, ...options: unknown[]) {
  const decoded = toBuffer.apply(this, options);
  const { formatOut, input } = (this as { options: { formatOut: string; input: { buffer?: Uint8Array } } }).options;
  const isLarge = (input.buffer?.byteLength ?? 0) >= Number(process.env.SUSPENDED_BYTES);
  if (formatOut === 'raw' && isLarge && !suspended) {
    suspended = true;
    // Long enough for a thread to begin the decode.
    setTimeout(() => {
      writeSync(1, 'suspended\n');
      process.kill(process.pid, 'SIGSTOP');
    }, 20);
  }
  return decoded;
};
