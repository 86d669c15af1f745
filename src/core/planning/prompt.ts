import type { Crop, Size } from '../domain/geometry.ts';
import type { Brief } from '../domain/request.ts';

/** Everything that the final prompt is built from. */
export interface PromptParts {
  /** The caller's own text, or null where the request has a brief instead. */
  readonly prompt: string | null;
  /** The caller's brief merged with the preset's. */
  readonly brief: Brief | null;
  /** Sentences that stand in for parameters the model does not support. */
  readonly additions: readonly string[];
  /** The part `crop` of `from` that the master and each rendition keep, in pixels. */
  readonly crops: readonly { readonly from: Size; readonly crop: Crop }[];
}

/**
 * Builds the prompt that is sent to the model. Pure.
 * A plain prompt without brief, additions and crops is sent unchanged.
 */
export function buildPrompt({ prompt, brief, additions, crops }: PromptParts): string {
  const lines = [
    prompt,
    brief?.subject,
    labelled('Style', brief?.style),
    labelled('Mood', brief?.mood),
    labelled('Colour palette', brief?.palette?.join(', ')),
    labelled('Composition', brief?.composition),
    labelled('Lighting', brief?.lighting),
    brief?.text && `Show exactly this text, spelled as it stands here: "${brief.text}".`,
    ...additions,
    brief?.avoid && `Avoid: ${brief.avoid.join(', ')}.`,
    marginAdvice(crops),
  ];
  return lines.filter(Boolean).join('\n');
}

function labelled(label: string, text: string | undefined): string | undefined {
  return text && `${label}: ${text}${/[.!?]$/.test(text) ? '' : '.'}`;
}

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
    .filter(([, share]) => share > 0)
    .map(([edge, share]) => `${Math.max(1, Math.ceil(share * 100))}% at the ${edge}`);
  if (cuts.length === 0) return null;
  return `The picture will be cropped by about ${cuts.join(', ')}: keep these margins calm and everything important away from them.`;
}
