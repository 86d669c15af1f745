import type { Brief, ImageRequest } from '../domain/request.ts';

/** A named, versioned set of defaults for a kind of picture. The request overrides it, part by part. */
export interface Preset
  extends Pick<ImageRequest, 'size' | 'renditions' | 'crop' | 'checks' | 'quality' | 'background' | 'format'> {
  readonly name: string;
  /** Increased when a change would give the same request a different picture. */
  readonly version: number;
  readonly description: string;
  readonly brief: Brief;
  /** A subject that suits the preset, to try it with. */
  readonly example: string;
}

/** Every version of every preset. A name without a version means the last entry of that name. */
export type Presets = readonly Preset[];

/** `article-hero@1`, the way a record names the preset it was made with. */
export function presetId(preset: Preset): string {
  return `${preset.name}@${preset.version}`;
}

/** The current version of each preset: the one that its bare name means. */
export function currentPresets(presets: Presets): Presets {
  return presets.filter((preset) => findPreset(presets, preset.name) === preset);
}

/** Finds a preset by `name` or `name@version`; null where there is no such preset or version. */
export function findPreset(presets: Presets, id: string): Preset | null {
  return presets.findLast((preset) => id === preset.name || id === presetId(preset)) ?? null;
}
