import { z } from 'zod';
import { CHECK_MODES, forEachCheck } from '../domain/checks.ts';
import { BACKGROUNDS, CROPS, MASTER_FORMATS, QUALITIES } from '../domain/formats.ts';
import { forEachBriefPart } from '../domain/request.ts';
import { allowedInWords } from '../domain/text/allowed-values.ts';
import { BUILT_IN_PRESETS } from './built-in-presets.ts';
import { renditionText, sizeText } from './notation.ts';
import { type DescribedPresets, type DescribedReference, findPreset, type Preset } from './presets.ts';
import { oversizedRenditions } from './size-negotiation.ts';

/** An issue at one place of the file. */
interface PresetIssue {
  /** Such as `poster.renditions.0`. */
  readonly path: string;
  readonly message: string;
}

/**
 * Parses the operator's preset file, an object of presets by name in the notation of requests, and adds them to the built-in ones.
 * A preset with a built-in name is a new version of that one and inherits the fields it leaves out; the built-in version can still
 * be requested as `name@version`. Returns all issues of the file together.
 */
export function parsePresets(
  value: unknown,
): { readonly presets: DescribedPresets } | { readonly issues: readonly PresetIssue[] } {
  const file = z.record(z.string(), z.unknown()).safeParse(value);
  if (!file.success) {
    return { issues: [{ path: 'the file', message: 'must be an object with a preset for each name' }] };
  }
  const entries = Object.entries(file.data).map(([name, entry]) => parsePreset(name, entry));
  const issues = entries.flatMap((entry) => ('issues' in entry ? entry.issues : []));
  const custom = entries.flatMap((entry) => ('preset' in entry ? [entry.preset] : []));
  return issues.length > 0 ? { issues } : { presets: [...BUILT_IN_PRESETS, ...custom] };
}

const MAX_RENDITIONS = 8;

const words = z.string('must be a string').trim().min(1, 'must not be blank; leave it out or say something').max(2000);
const EMPTY_LIST = 'must not be empty; leave it out or say something';
const list = z.array(words, 'must be a list of strings').min(1, EMPTY_LIST);

/** A path that stays below a folder as far as its text shows; where links lead is for its reader to check. */
const pathBelow = z
  .string('must be a string')
  .min(1, 'must not be empty')
  .max(500, 'must be 500 characters or less')
  .refine(
    (path) => !/^[/\\]|^[a-z]:|\0/i.test(path) && !path.split(/[/\\]/).includes('..'),
    'must be a path below the folder of the presets\' file, such as brand/logo.png, without ".."',
  );

const checkMode = z.enum(CHECK_MODES);

const fields = {
  version: z.int('must be a whole number').positive('must be 1 or more'),
  description: words,
  size: sizeText,
  renditions: z.array(renditionText, 'must be a list such as ["1200x675.png"]').max(MAX_RENDITIONS),
  crop: z.enum(CROPS),
  checks: z.strictObject(forEachCheck(() => checkMode)).partial(),
  quality: z.enum(QUALITIES),
  background: z.enum(BACKGROUNDS),
  format: z.enum(MASTER_FORMATS),
  brief: z.strictObject(forEachBriefPart(words, list)).partial(),
  references: z
    .array(z.strictObject({ file: pathBelow, use: words }), 'must be a list of files with their use')
    .min(1, EMPTY_LIST),
  require: list,
  forbid: list,
  example: words,
} satisfies Record<Exclude<keyof FilePreset, 'name'>, z.ZodType>;

/** Defaults of a custom preset; only `description` and `size` are required. */
const CUSTOM_PRESET_DEFAULTS = {
  version: 1,
  renditions: [],
  quality: 'auto',
  background: 'auto',
  format: 'png',
  brief: {},
  example: 'a lighthouse on a cliff at dusk',
} as const;

const customPreset = z.strictObject(fields).partial().required({ description: true, size: true });

/** A new version of a built-in preset; only `version` is required. */
const builtInOverride = z.strictObject(fields).partial().required({ version: true });

type FilePreset = Preset<DescribedReference>;

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

function parsePreset(name: string, entry: unknown): { preset: FilePreset } | { issues: readonly PresetIssue[] } {
  if (!NAME.test(name)) {
    const message = 'must be named with 1 to 64 of a-z, 0-9 and "-", and begin with a letter or digit';
    return { issues: [{ path: name, message }] };
  }
  const builtIn = findPreset(BUILT_IN_PRESETS, name);
  const parsed = (builtIn ? builtInOverride : customPreset).safeParse(entry, { error: allowedInWords });
  if (!parsed.success) return { issues: parsed.error.issues.flatMap((issue) => toPresetIssues(name, issue)) };
  // The schemas type absent fields as optional; the spread fills each of them in, which the type checker cannot see.
  const preset = { ...(builtIn ?? CUSTOM_PRESET_DEFAULTS), ...parsed.data, name } as FilePreset;
  const issues = [...versionIssues(preset, builtIn), ...crossFieldIssues(preset)];
  return issues.length > 0 ? { issues } : { preset };
}

function toPresetIssues(name: string, issue: z.core.$ZodIssue): readonly PresetIssue[] {
  const at = [name, ...issue.path.map(String)];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...at, key].join('.'),
      message: 'is not a known field; take it out or correct its name',
    }));
  }
  // A field's own words are for a wrong value.
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  return [{ path: at.join('.'), message: isMissing ? 'is missing' : issue.message }];
}

/** A built-in version cannot be redefined: records refer to presets by version, so `article-hero@1` must keep its meaning. */
function versionIssues({ name, version }: FilePreset, builtIn: Preset | null): readonly PresetIssue[] {
  if (builtIn === null || version > builtIn.version) return [];
  const message = `must be above ${builtIn.version}, the version of ${name} that comes with Easel`;
  return [{ path: `${name}.version`, message }];
}

/** Issues between fields that are valid on their own. */
function crossFieldIssues({
  name,
  size,
  renditions,
  background,
  format,
  references = [],
}: FilePreset): readonly PresetIssue[] {
  const issues: PresetIssue[] = [];
  if (new Set(renditions.map((rendition) => JSON.stringify(rendition))).size < renditions.length) {
    issues.push({ path: `${name}.renditions`, message: 'must not name the same rendition twice' });
  }
  if (new Set(references.map(({ file }) => file)).size < references.length) {
    issues.push({ path: `${name}.references`, message: 'must not name the same file twice' });
  }
  if (background === 'transparent' && format === 'jpeg') {
    issues.push({ path: `${name}.format`, message: 'must be png or webp with a transparent background' });
  }
  for (const { path, message } of oversizedRenditions(size, renditions)) {
    issues.push({ path: `${name}.${path}`, message });
  }
  return issues;
}
