/** The presets with their reference pictures, which are decoded once, at the start. */

import { ConfigError } from '../../config/config.ts';
import type { PresetFiles } from '../../config/files/setting-files.ts';
import { ImageError } from '../../core/domain/errors.ts';
import { sha256 } from '../../core/domain/file-names.ts';
import type { Size } from '../../core/domain/geometry.ts';
import { INPUT_FORMATS, type Input, type InputFormat } from '../../core/domain/input.ts';
import type { PresetReference, Presets } from '../../core/planning/presets.ts';
import { loadSharp } from '../optional-parts.ts';

/** The bytes of reference pictures by their SHA-256 in hex. Requests with their preset store them as they store inputs. */
export type ReferencePictures = ReadonlyMap<string, Uint8Array>;

interface OpenPresets {
  readonly presets: Presets;
  readonly references: ReferencePictures;
}

/** Decodes a whole picture. Raises `ImageError` with `invalid_image` for one that is broken in any way, animated or too large. */
type InspectPicture = (bytes: Uint8Array) => Promise<Size & { readonly format: string }>;

/** Decodes every reference picture. Raises `ConfigError` with all that models cannot be sent. */
export async function openPresets(
  { presets, referenceFiles }: PresetFiles,
  inspect: InspectPicture = inspectHere,
): Promise<OpenPresets> {
  const pictures = new Map<string, Input | string>();
  // One after the other: each may be large once it is decoded.
  for (const [file, bytes] of referenceFiles) pictures.set(file, await readInput(bytes, inspect));

  const issues: string[] = [];
  const opened = presets.map(({ references, ...preset }) => {
    if (references === undefined) return preset;
    const sound = references.flatMap(({ file, use }, index): PresetReference[] => {
      const picture = pictures.get(file);
      if (typeof picture === 'object') return [{ ...picture, file, use }];
      issues.push(`PRESETS: ${preset.name}.references.${index}.file: ${picture}`);
      return [];
    });
    return { ...preset, references: sound };
  });
  if (issues.length > 0) throw new ConfigError(issues);
  const references = new Map([...referenceFiles.values()].map((bytes) => [sha256(bytes), bytes]));
  return { presets: opened, references };
}

/** The picture as an input, or why models cannot be sent it. */
async function readInput(bytes: Uint8Array, inspect: InspectPicture): Promise<Input | string> {
  try {
    const { width, height, format } = await inspect(bytes);
    if (!isInputFormat(format)) return `must be a PNG, JPEG or WebP picture, and is ${format}`;
    const hash = sha256(bytes);
    return { sha256: hash, bytes: bytes.byteLength, format, width, height, source: { sha256: hash } };
  } catch (error) {
    if (error instanceof ImageError && error.code === 'invalid_image') return error.message;
    throw error;
  }
}

function isInputFormat(format: string): format is InputFormat {
  return INPUT_FORMATS.some((known) => known === format);
}

/** Decodes on this thread, with what is loaded only where there is a reference: the service takes no requests yet. */
const inspectHere: InspectPicture = async (bytes) => {
  await loadSharp();
  const { DEFAULT_LIMITS } = await import('../../adapters/imaging/finish.ts');
  const { inspectInput } = await import('../../adapters/imaging/input.ts');
  return await inspectInput(bytes, DEFAULT_LIMITS);
};
