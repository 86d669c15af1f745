/** The pictures that the edits of a round start from: a few, which its requests share. */

import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { colouredInput } from '../support/edit-inputs.ts';
import type { PartToSend } from '../support/multipart.ts';

const COLOURS = [0, 60, 120, 180].map((red) => ({ r: red, g: 90, b: 40 }));
const PICTURES = await Promise.all(COLOURS.map((colour) => colouredInput(colour)));
const MASK = await colouredInput({ r: 0, g: 0, b: 0, alpha: 0 });

/** One or two of the pictures as parts of a form, and in one of three cases a mask. */
export function anyPictures(random: () => number): readonly PartToSend[] {
  const from = Math.floor(random() * PICTURES.length);
  const chosen = PICTURES.slice(from, from + 1 + Math.floor(random() * 2));
  const images = chosen.map(({ bytes }, index) => part(`image[${index}]`, bytes));
  return random() < 0.33 ? [part('mask', MASK.bytes), ...images] : images;
}

function part(name: string, bytes: Uint8Array): PartToSend {
  return { name, content: Buffer.from(bytes), fileName: `${name}.png`, contentType: 'image/png' };
}

/** Older than what a cleanup spares as the files of a request that is being accepted. */
const OLD_MS = 2 * 60 * 60 * 1000;

/** Makes every stored input old, so that the next cleanup removes those that no record names. */
export function ageInputs(folder: string): void {
  const inputs = join(folder, 'media', 'inputs');
  const old = new Date(Date.now() - OLD_MS);
  for (const name of list(inputs)) {
    try {
      utimesSync(join(inputs, name), old, old);
    } catch (error) {
      // Removed since it was listed.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

/** Makes inputs old all the time, until the life is over: cleanups then meet requests that store the same ones. */
export async function keepAging(folder: string, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    ageInputs(folder);
    await delay(50);
  }
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
