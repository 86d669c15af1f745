import { z } from 'zod';
import { CHECK_MODES } from '../domain/checks.ts';
import { ImageError } from '../domain/errors.ts';
import { BACKGROUNDS, CROPS, MASTER_FORMATS, QUALITIES } from '../domain/formats.ts';
import { BUILT_IN_PRESETS } from './built-in-presets.ts';
import { renditionText, sizeText } from './notation.ts';
import { refuseTinyMaster } from './plan.ts';
import { findPreset, type Preset, type Presets } from './presets.ts';

/** What is wrong at one place of the file. */
export interface PresetFault {
  /** `poster.renditions.0` */
  readonly path: string;
  readonly message: string;
}

/**
 * Reads presets by name, in the notation of requests, and lays them over the built-in ones. One that bears a built-in name is
 * a higher version of it and takes over what it does not say; the built-in version stays within reach as `name@version`.
 * Gives every fault at once.
 */
export function parsePresets(
  value: unknown,
): { readonly presets: Presets } | { readonly faults: readonly PresetFault[] } {
  const file = z.record(z.string(), z.unknown()).safeParse(value);
  if (!file.success)
    return { faults: [{ path: 'the file', message: 'must be an object with a preset for each name' }] };
  const entries = Object.entries(file.data).map(([name, entry]) => parsePreset(name, entry));
  const faults = entries.flatMap((entry) => ('faults' in entry ? entry.faults : []));
  const own = entries.flatMap((entry) => ('preset' in entry ? [entry.preset] : []));
  return faults.length > 0 ? { faults } : { presets: [...BUILT_IN_PRESETS, ...own] };
}

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const MAX_RENDITIONS = 8;

const words = z.string('must be a text').trim().min(1, 'must not be blank; leave it out or say something').max(2000);
const list = z.array(words, 'must be a list of texts').min(1, 'must not be empty; leave it out or say something');

const checkMode = z.enum(CHECK_MODES);

const fields = {
  version: z.int('must be a whole number').positive('must be 1 or more'),
  description: words,
  size: sizeText,
  renditions: z.array(renditionText, 'must be a list such as ["1200x675.png"]').max(MAX_RENDITIONS),
  crop: z.enum(CROPS),
  checks: z
    .strictObject({
      uniformity: checkMode,
      entropy: checkMode,
      sharpness: checkMode,
      borders: checkMode,
      size: checkMode,
      ratio: checkMode,
    })
    .partial(),
  quality: z.enum(QUALITIES),
  background: z.enum(BACKGROUNDS),
  format: z.enum(MASTER_FORMATS),
  brief: z
    .strictObject({
      subject: words,
      style: words,
      mood: words,
      palette: list,
      composition: words,
      lighting: words,
      avoid: list,
      text: words,
    })
    .partial(),
  example: words,
};

/** A preset of one's own has to say what it is for and how large it is; all else has a default. */
const BLANK = {
  version: 1,
  renditions: [],
  quality: 'auto',
  background: 'auto',
  format: 'png',
  brief: {},
  example: 'a lighthouse on a cliff at dusk',
} as const;

const presetOfOnesOwn = z.strictObject(fields).partial().required({ description: true, size: true });
const newVersion = z.strictObject(fields).partial().required({ version: true });

function parsePreset(name: string, entry: unknown): { preset: Preset } | { faults: readonly PresetFault[] } {
  if (!NAME.test(name)) {
    const message = 'must be named with 1 to 64 of a-z, 0-9 and "-", and begin with a letter or digit';
    return { faults: [{ path: name, message }] };
  }
  const builtIn = findPreset(BUILT_IN_PRESETS, name);
  const parsed = (builtIn ? newVersion : presetOfOnesOwn).safeParse(entry);
  if (!parsed.success) return { faults: parsed.error.issues.flatMap((issue) => toFaults(name, issue)) };
  // What an absent part is, the types of both schemas leave open; the spread closes it.
  const preset = { ...(builtIn ?? BLANK), ...parsed.data, name } as Preset;
  const faults = [...versionFaults(preset, builtIn), ...contradictions(preset)];
  return faults.length > 0 ? { faults } : { preset };
}

function toFaults(name: string, issue: z.core.$ZodIssue): readonly PresetFault[] {
  const at = [name, ...issue.path.map(String)];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...at, key].join('.'),
      message: 'is not a known field; take it out or correct its name',
    }));
  }
  const missing = issue.code === 'invalid_type' && issue.input === undefined;
  return [{ path: at.join('.'), message: missing ? 'is missing' : issue.message }];
}

/** Records name what they were made with, so `article-hero@1` may not come to mean something else. */
function versionFaults({ name, version }: Preset, builtIn: Preset | null): readonly PresetFault[] {
  if (builtIn === null || version > builtIn.version) return [];
  const message = `must be above ${builtIn.version}, the version of ${name} that comes with Easel`;
  return [{ path: `${name}.version`, message }];
}

/** What is wrong although each part by itself is right. */
function contradictions({ name, size, renditions, background, format }: Preset): readonly PresetFault[] {
  const faults: PresetFault[] = [];
  if (new Set(renditions.map((rendition) => JSON.stringify(rendition))).size < renditions.length) {
    faults.push({ path: `${name}.renditions`, message: 'must not name the same rendition twice' });
  }
  if (background === 'transparent' && format === 'jpeg') {
    faults.push({ path: `${name}.format`, message: 'must be png or webp with a transparent background' });
  }
  try {
    refuseTinyMaster(size, renditions);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    faults.push(...error.paths.map(({ path, message }) => ({ path: `${name}.${path}`, message })));
  }
  return faults;
}
