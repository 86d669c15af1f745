import type { Brief, ImageRequest } from '../domain/request.ts';

/** A named, versioned set of defaults for a kind of picture. What the caller says wins over it, part by part. */
export interface Preset
  extends Pick<ImageRequest, 'size' | 'renditions' | 'crop' | 'checks' | 'quality' | 'background' | 'format'> {
  readonly name: string;
  /** Goes up when a change would make another picture of the same request. */
  readonly version: number;
  readonly description: string;
  readonly brief: Brief;
  /** A subject that suits it, to try it with. */
  readonly example: string;
}

/** Every version of every preset; of one name, the last is the one that is meant where no version is said. */
export type Presets = readonly Preset[];

/** `article-hero@1`, the way a record names the preset it was made with. */
export function presetId(preset: Preset): string {
  return `${preset.name}@${preset.version}`;
}

/** The version of each preset that is meant where none is said. */
export function currentPresets(presets: Presets): Presets {
  return presets.filter((preset) => findPreset(presets, preset.name) === preset);
}

/** Finds a preset by `name` or `name@version`; null where there is none, or not in that version. */
export function findPreset(presets: Presets, id: string): Preset | null {
  return presets.findLast((preset) => id === preset.name || id === presetId(preset)) ?? null;
}

/** The brief that results when a caller's brief is laid over a preset's: its parts win, unwanted things add up. */
export function mergeBriefs(preset: Brief | null, caller: Brief | null): Brief | null {
  if (preset === null || caller === null) return caller ?? preset;
  const avoid = [...new Set([...(preset.avoid ?? []), ...(caller.avoid ?? [])])]
    // Words that the caller wants to read in the picture outrank a preset that would rather have none.
    .filter((thing) => !(caller.text && (thing === 'text' || thing === 'letters')));
  const { avoid: _, ...merged } = { ...preset, ...caller };
  return avoid.length > 0 ? { ...merged, avoid } : merged;
}
