/** Reads the reference pictures that presets name, from the folder of the presets' file. */

import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import type { Model } from '../../core/domain/model.ts';
import type { DescribedPresets } from '../../core/planning/presets.ts';
import { readFault } from '../messages/read-fault.ts';

/** The bytes of reference pictures, by the path that the presets' file gives them. */
export type ReferenceFiles = ReadonlyMap<string, Uint8Array>;

/** The most reference pictures that a model takes, and the most bytes of one. */
export interface ReferenceLimits {
  readonly images: number;
  readonly imageBytes: number;
}

/**
 * The limits that the most capable of these models has: what exceeds them can never be sent. A request for a lesser model is refused when
 * it comes. None where no model can edit.
 */
export function referenceLimits(models: Iterable<Model>): ReferenceLimits {
  const edits = [...models].flatMap(({ edits: limits }) => limits ?? []);
  return {
    images: Math.max(0, ...edits.map(({ images }) => images)),
    imageBytes: Math.max(0, ...edits.map(({ imageBytes }) => imageBytes)),
  };
}

/**
 * Reads every file that the presets name as a reference, each once, with all issues: a path such as `acme.references.0.file`, and what is
 * wrong there. Whether the bytes are a whole picture is not looked at. No path leads out of the folder of `presetsPath`, by links neither.
 */
export function readReferenceFiles(
  presets: DescribedPresets,
  presetsPath: string,
  limits: ReferenceLimits,
): { readonly files: ReferenceFiles; readonly issues: readonly { readonly path: string; readonly message: string }[] } {
  const files = new Map<string, Uint8Array>();
  const issues: { path: string; message: string }[] = [];
  for (const { name, references = [] } of presets) {
    if (references.length > limits.images) {
      const message = `must be at most ${limits.images}, as many pictures as the models take`;
      issues.push({ path: `${name}.references`, message });
      continue;
    }
    for (const [index, { file }] of references.entries()) {
      const read = files.get(file) ?? readReference(dirname(presetsPath), file, limits);
      if (typeof read === 'string') issues.push({ path: `${name}.references.${index}.file`, message: read });
      else files.set(file, read);
    }
  }
  return { files, issues };
}

/** The bytes of one file, or what is wrong with it. */
function readReference(folder: string, file: string, { imageBytes }: ReferenceLimits): Uint8Array | string {
  try {
    const path = realpathSync(join(folder, file));
    if (leadsOut(realpathSync(folder), path)) return "a link leads out of the folder of the presets' file";
    const stats = statSync(path);
    const { size } = stats;
    if (!stats.isFile()) return 'this path must lead to a file';
    if (size === 0) return 'the file is empty';
    // Before it is read: the path may lead to anything.
    if (size > imageBytes) return `the file has ${size} bytes, and the models take at most ${imageBytes}`;
    const bytes = readFileSync(path);
    return isPicture(bytes) ? bytes : 'must be a PNG, JPEG or WebP picture';
  } catch (error) {
    return readFault(error);
  }
}

function leadsOut(folder: string, path: string): boolean {
  return relative(folder, path).split(sep)[0] === '..';
}

/** Whether the magic bytes are those of a format that models take as inputs (`INPUT_FORMATS`). */
function isPicture(bytes: Buffer): boolean {
  const starts = (magic: string, at = 0) => bytes.toString('latin1', at, at + magic.length) === magic;
  return starts('\x89PNG\r\n\x1a\n') || starts('\xff\xd8\xff') || (starts('RIFF') && starts('WEBP', 8));
}
