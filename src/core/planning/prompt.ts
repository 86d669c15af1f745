import type { Crop, Size } from '../domain/geometry.ts';
import type { Reference } from '../domain/input.ts';
import type { Brief, BriefPart } from '../domain/request.ts';

/** Everything that the final prompt is built from. */
export interface PromptParts {
  /** The caller's own text, or null where the request has a brief instead. */
  readonly prompt: string | null;
  /** The caller's brief merged with the preset's. */
  readonly brief: Brief | null;
  /** How many pictures the caller brings, which are sent before the references. */
  readonly inputs: number;
  /** Pictures of the preset, in order. */
  readonly references: readonly Pick<Reference, 'use'>[];
  /** What the preset wants in every picture, and in none. */
  readonly require: readonly string[];
  readonly forbid: readonly string[];
  /** Sentences that stand in for parameters the model does not support. */
  readonly additions: readonly string[];
  /** For each file that margins are asked for: the part `crop` that it keeps of a picture of size `from`, in pixels. */
  readonly crops: readonly { readonly from: Size; readonly crop: Crop }[];
}

/**
 * Builds the prompt that is sent to the model. Pure.
 * A plain prompt without brief, look of a preset, additions and crops of 2 % or more is sent unchanged.
 */
export function buildPrompt(parts: PromptParts): string {
  const { prompt, brief, require, forbid, additions, crops } = parts;
  const avoid = [...new Set([...(brief?.avoid ?? []), ...forbid])];
  const lines = [
    prompt,
    ...briefLines(brief ?? {}, SHOWN_PARTS),
    ...additions,
    ...referenceLines(parts),
    require.length > 0 && `Required in the picture: ${require.join('; ')}.`,
    avoid.length > 0 && SENTENCES.avoid(avoid),
    marginAdvice(crops),
  ];
  return lines.filter(Boolean).join('\n');
}

/**
 * Says what each reference is for, by its number among the pictures that are sent: as OpenAI's prompting guide numbers input pictures
 * (https://github.com/openai/openai-cookbook, examples/multimodal/image-gen-models-prompting-guide.ipynb). An edit changes its input
 * pictures; that references alone are not to be changed has to be said.
 */
function referenceLines({ inputs, references }: PromptParts): readonly string[] {
  if (references.length === 0) return [];
  const uses = references.map(({ use }, index) => ended(`Image ${inputs + index + 1} is a reference: ${use}`));
  return inputs > 0 ? uses : ['Make a new picture; the images given are references for it.', ...uses];
}

/** How each part of a brief is written, in the order of the prompt; the additions stand before `avoid`. */
const SENTENCES: { readonly [Part in BriefPart]: (value: NonNullable<Brief[Part]>) => string } = {
  subject: (subject) => subject,
  style: (style) => labelled('Style', style),
  mood: (mood) => labelled('Mood', mood),
  palette: (colours) => labelled('Colour palette', colours.join(', ')),
  composition: (composition) => labelled('Composition', composition),
  lighting: (lighting) => labelled('Lighting', lighting),
  text: (text) => `Show exactly this text, spelled as it stands here: "${text}".`,
  avoid: (things) => `Avoid: ${things.join(', ')}.`,
};
const SHOWN_PARTS = (Object.keys(SENTENCES) as BriefPart[]).filter((part) => part !== 'avoid');

function briefLines(brief: Brief, parts: readonly BriefPart[]): readonly string[] {
  const line = <Part extends BriefPart>(part: Part, value: Brief[Part]) => (value ? SENTENCES[part](value) : []);
  return parts.flatMap((part) => line(part, brief[part]));
}

function labelled(label: string, text: string): string {
  return text && ended(`${label}: ${text}`);
}

function ended(sentence: string): string {
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

/** The smallest share of width or height, cut off at one edge, that the prompt mentions: less is not seen. */
const LEAST_MARGIN = 0.02;

/** Asks for calm margins where crops will cut, as percentages: image models follow proportions better than pixels. */
function marginAdvice(crops: PromptParts['crops']): string | null {
  const margins = { left: 0, right: 0, top: 0, bottom: 0 };
  for (const { from, crop } of crops) {
    margins.left = Math.max(margins.left, crop.left / from.width);
    margins.right = Math.max(margins.right, (from.width - crop.left - crop.width) / from.width);
    margins.top = Math.max(margins.top, crop.top / from.height);
    margins.bottom = Math.max(margins.bottom, (from.height - crop.top - crop.height) / from.height);
  }
  const cuts = Object.entries(margins)
    .filter(([, share]) => share >= LEAST_MARGIN)
    .map(([edge, share]) => `${Math.ceil(share * 100)}% at the ${edge}`);
  if (cuts.length === 0) return null;
  return `The picture will be cropped by about ${cuts.join(', ')}: keep these margins calm and everything important away from them.`;
}
