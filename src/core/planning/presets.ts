import type { Reference } from '../domain/input.ts';
import type { Brief, ImageRequest } from '../domain/request.ts';

/** A reference picture as the presets' file describes it. */
export interface DescribedReference {
  /** Path below the folder of the presets' file. */
  readonly file: string;
  /** How it is to be used, in words. */
  readonly use: string;
}

/** A reference picture that was read and found sound. */
export interface PresetReference extends DescribedReference, Reference {}

/** A named, versioned set of defaults for a kind of picture. The request overrides it, part by part. */
export interface Preset<R extends DescribedReference = PresetReference>
  extends Pick<ImageRequest, 'size' | 'renditions' | 'crop' | 'checks' | 'quality' | 'background' | 'format'> {
  readonly name: string;
  /** Increased when a change would give the same request a different picture. */
  readonly version: number;
  readonly description: string;
  readonly brief: Brief;
  /** Pictures that are sent with every request, after the caller's; absent for none. */
  readonly references?: readonly R[];
  /** What every picture must have, and must not have, whatever the request says; absent for nothing. */
  readonly require?: readonly string[];
  readonly forbid?: readonly string[];
  /** A subject that suits the preset, to try it with. */
  readonly example: string;
}

/** Every version of every preset. A name without a version means the last entry of that name. */
export type Presets<R extends DescribedReference = PresetReference> = readonly Preset<R>[];

/** Presets as they are read from their file: their reference pictures are still to be decoded. */
export type DescribedPresets = Presets<DescribedReference>;

/** `article-hero@1`, the way a record names the preset it was made with. */
export function presetId(preset: Pick<Preset, 'name' | 'version'>): string {
  return `${preset.name}@${preset.version}`;
}

/** The current version of each preset: the one that its bare name means. */
export function currentPresets(presets: Presets): Presets {
  return presets.filter((preset) => findPreset(presets, preset.name) === preset);
}

/** Finds a preset by `name` or `name@version`; null where there is no such preset or version. */
export function findPreset<R extends DescribedReference>(presets: Presets<R>, id: string): Preset<R> | null {
  return presets.findLast((preset) => id === preset.name || id === presetId(preset)) ?? null;
}
