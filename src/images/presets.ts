import type { CheckPolicy } from '../core/domain/checks.ts';
import type { Background, CropStrategy, MasterFormat, Quality, RenditionSpec } from '../core/domain/formats.ts';
import { formatSize, type Size } from '../core/domain/geometry.ts';
import type { Brief } from '../core/domain/request.ts';

/** A named, versioned set of defaults for a kind of picture. What the caller says wins over it, part by part. */
export interface Preset {
  readonly name: string;
  /** Goes up when a change would make another picture of the same request. */
  readonly version: number;
  readonly description: string;
  readonly size: Size;
  readonly renditions: readonly RenditionSpec[];
  /** Absent: as configured. */
  readonly crop?: CropStrategy;
  /** What becomes of pictures that do not pass a check, where that is not as configured. */
  readonly checks?: Partial<CheckPolicy>;
  readonly quality: Quality;
  readonly background: Background;
  readonly format: MasterFormat;
  readonly brief: Brief;
  /** A subject that suits it, to try it with. */
  readonly example: string;
}

/** Every version of every preset; of one name, the last is the one that is meant where no version is said. */
export type Presets = readonly Preset[];

/** The presets that come with Easel. More, and other versions of these, come from the file that `PRESETS` names. */
export const BUILT_IN_PRESETS: Presets = [
  {
    name: 'article-hero',
    version: 1,
    description: 'The wide picture above an article, shown at 1200x675.',
    size: { width: 1792, height: 1024 },
    renditions: [{ width: 1200, height: 675, format: 'png' }],
    quality: 'auto',
    background: 'auto',
    format: 'png',
    brief: {
      style: 'editorial illustration with photographic depth',
      composition: 'one clear focal point, wide framing, room to breathe around it',
      lighting: 'natural, directional light',
      avoid: ['text', 'letters', 'logos', 'watermarks', 'borders'],
    },
    example: 'a lighthouse on a cliff at dusk',
  },
  {
    name: 'social-card',
    version: 1,
    description: 'The preview that social networks show for a link, 1200x630.',
    size: { width: 1200, height: 630 },
    renditions: [{ width: 600, height: 315, format: 'jpeg' }],
    quality: 'auto',
    background: 'auto',
    format: 'png',
    brief: {
      style: 'bold, simple shapes that read at thumbnail size',
      composition: 'subject in the middle third, high contrast against the background',
      avoid: ['small details', 'letters', 'logos', 'watermarks', 'borders'],
    },
    example: 'a paper boat on a wide blue sea',
  },
  {
    name: 'product',
    version: 1,
    description: 'One product on a calm studio background, square.',
    size: { width: 1024, height: 1024 },
    renditions: [{ width: 512, height: 512, format: 'webp' }],
    quality: 'high',
    background: 'opaque',
    format: 'png',
    brief: {
      style: 'studio product photograph, true colours and materials',
      composition: 'the whole product centred, straight on, with even margins',
      lighting: 'soft box light from above left, gentle shadow below',
      avoid: ['people', 'hands', 'props', 'text', 'watermarks'],
    },
    example: 'a hand-thrown stoneware mug',
  },
  {
    name: 'icon',
    version: 1,
    description: 'One simple symbol, square, readable when small.',
    size: { width: 1024, height: 1024 },
    renditions: [
      { width: 256, height: 256, format: 'png' },
      { width: 64, height: 64, format: 'png' },
    ],
    // A symbol on a plain ground is flat by design.
    checks: { entropy: 'off', borders: 'off' },
    quality: 'medium',
    background: 'auto',
    format: 'png',
    brief: {
      style: 'flat vector icon, few colours, strong silhouette',
      composition: 'a single centred symbol that fills most of the square',
      avoid: ['text', 'letters', 'gradients', 'fine detail', 'borders'],
    },
    example: 'a mountain with a flag on its top',
  },
];

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

/** A preset as callers see it, in the notation of requests, with a request to try it with. */
export type PresetRecord = ReturnType<typeof toPresetRecord>;

export function toPresetRecord(preset: Preset) {
  const { name, version, description, quality, background, format, brief } = preset;
  return {
    id: presetId(preset),
    name,
    version,
    description,
    size: formatSize(preset.size),
    renditions: preset.renditions.map((rendition) => `${formatSize(rendition)}.${rendition.format}`),
    ...(preset.crop && { crop: preset.crop }),
    checks: preset.checks ?? {},
    quality,
    background,
    format,
    brief,
    example: { preset: name, brief: { subject: preset.example } },
  };
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
