import { ImageError } from '../domain/errors.ts';
import type { Background, Quality } from '../domain/formats.ts';
import { coverCrop, coverCropWithin, enlargement, formatSize, type Size } from '../domain/geometry.ts';
import type { Warning } from '../domain/image.ts';
import type { Model } from '../domain/model.ts';
import type { ImageRequest } from '../domain/request.ts';
import type { PlannedFields } from '../domain/transitions.ts';
import type { GenerationCall } from '../ports/provider.ts';
import { buildPrompt } from './prompt.ts';
import { negotiateSize, type SizePlan } from './size-negotiation.ts';

/** A picture may be enlarged, with a warning, but not beyond this: the result would be visibly soft. */
const MAX_ENLARGEMENT = 2;

export interface GenerationPlan {
  readonly call: GenerationCall;
  readonly size: SizePlan;
  readonly warnings: readonly Warning[];
  /** Names of the request's parameters that the model takes no parameter for. */
  readonly parametersDropped: readonly string[];
}

/**
 * Works out the call that makes this request's picture with this model: what the model takes is sent, what it does not take
 * is written into the prompt or dropped with a warning. Pure, and calls nobody.
 * Raises `unsupported_parameter` for what the model cannot do at all.
 */
export function planGeneration(request: ImageRequest, model: Model): GenerationPlan {
  const warnings: Warning[] = [];
  const parametersDropped: string[] = [];
  const promptAdditions: string[] = [];
  const drop = (name: string, detail: string, sentence?: string) => {
    parametersDropped.push(name);
    warnings.push({
      code: 'parameter_dropped',
      detail: sentence ? `${detail}; it was written into the prompt` : detail,
    });
    if (sentence) promptAdditions.push(sentence);
  };

  if (model.alias !== null) {
    warnings.push({
      code: 'model_mapped',
      detail: `${model.alias} was asked for; MODEL_ALIASES has ${model.id} for it`,
    });
  }

  const size = planSize(request.size, model, warnings);

  const quality = mapQuality(request.quality, model.qualities);
  if (quality === null && request.quality !== 'auto') {
    drop('quality', `quality is not a parameter of ${model.id}`);
  } else if (quality !== null && quality !== request.quality && request.quality !== 'auto') {
    warnings.push({ code: 'parameter_mapped', detail: `quality ${request.quality} is ${quality} for ${model.id}` });
  }

  const takesStyle = request.style !== null && (model.styles?.includes(request.style) ?? false);
  if (request.style !== null && !takesStyle) {
    const reason = model.styles
      ? `style of ${model.id} is one of ${model.styles.join(', ')}`
      : `style is not a parameter of ${model.id}`;
    drop('style', reason, styleSentence(request.style));
  }

  const takesBackground = model.backgrounds?.includes(request.background) ?? false;
  if (request.background !== 'auto' && !takesBackground) {
    drop('background', `background is not a parameter of ${model.id}`, backgroundSentence(request.background));
  }

  // A picture that will be cropped or scaled is encoded again, so it is asked for without loss.
  const usedAsIs = formatSize(size.requested) === formatSize(request.size);
  const format = usedAsIs ? request.format : 'png';

  const prompt = buildPrompt({
    prompt: request.prompt,
    brief: request.brief,
    additions: promptAdditions,
    crops: [size.crop, ...request.renditions.map((rendition) => coverCropWithin(size.crop, rendition))].map((crop) => ({
      from: size.requested,
      crop,
    })),
  });
  refuseLongPrompt(prompt, model);

  return {
    call: {
      model,
      prompt,
      size: size.requested,
      quality,
      style: takesStyle ? request.style : null,
      background: takesBackground ? request.background : null,
      format: model.formats?.includes(format) ? format : null,
    },
    size,
    warnings,
    parametersDropped,
  };
}

/** What an image's record says of the call that will make it, or has made it. */
export function plannedRecord(provider: string, { call, warnings }: GenerationPlan): PlannedFields {
  return { provider, model: call.model.id, prompt: call.prompt, requestedSize: call.size, warnings };
}

function planSize(asked: Size, model: Model, warnings: Warning[]): SizePlan {
  const plan = negotiateSize(asked, model.sizes);
  const factor = plan.scale.toFixed(2);
  if (plan.scale > MAX_ENLARGEMENT) {
    const detail = `${model.id} makes at most ${formatSize(plan.crop)} of the shape ${formatSize(asked)}; that would be enlarged ${factor} times, more than ${MAX_ENLARGEMENT}`;
    throw new ImageError('unsupported_parameter', detail, {
      paths: [{ path: 'size', message: `ask for a smaller size or another shape, or for another model` }],
    });
  }
  if (plan.scale > 1) {
    warnings.push({ code: 'enlarged', detail: `the master is enlarged ${factor} times from ${formatSize(plan.crop)}` });
  }
  return plan;
}

/** Raises `unsupported_parameter` for a rendition that the caller asked for and that its master is too small for. */
export function refuseOversizedRenditions(master: Size, renditions: readonly Size[]): void {
  const paths = renditions.flatMap((rendition, index) =>
    enlargement(coverCrop(master, rendition), rendition) > MAX_ENLARGEMENT
      ? [
          {
            path: `renditions.${index}`,
            message: `${formatSize(rendition)} is more than ${MAX_ENLARGEMENT} times the master, ${formatSize(master)}`,
          },
        ]
      : [],
  );
  if (paths.length > 0) {
    throw new ImageError('unsupported_parameter', 'a rendition is too large for its master', { paths });
  }
}

// The same wish in the words of other generations of models, nearest first.
const QUALITY_EQUIVALENTS: Record<Quality, readonly Quality[]> = {
  auto: ['auto', 'standard'],
  low: ['low', 'standard'],
  medium: ['medium', 'standard'],
  high: ['high', 'hd'],
  xhigh: ['xhigh', 'high', 'hd'],
  max: ['max', 'high', 'hd'],
  standard: ['standard', 'medium'],
  hd: ['hd', 'high'],
};

function mapQuality(asked: Quality, taken: readonly Quality[] | null): Quality | null {
  return QUALITY_EQUIVALENTS[asked].find((quality) => taken?.includes(quality)) ?? null;
}

// What DALL-E's two styles meant, by OpenAI's own description of them.
function styleSentence(style: string): string {
  if (style === 'vivid') return 'Style: vivid, hyper-real and dramatic.';
  if (style === 'natural') return 'Style: natural, restrained, true to life.';
  return `Style: ${style}.`;
}

function backgroundSentence(background: Background): string {
  return background === 'transparent'
    ? 'Show the subject alone on a plain, empty, pure white background.'
    : 'Fill the whole picture with an opaque background.';
}

function refuseLongPrompt(prompt: string, model: Model): void {
  // Code points are what a person would count; the length in UTF-16 units is never smaller, so short prompts are not counted.
  const length = prompt.length <= model.promptLimit ? prompt.length : [...prompt].length;
  if (length <= model.promptLimit) return;
  throw new ImageError(
    'unsupported_parameter',
    `the final prompt has ${length} characters; ${model.id} takes ${model.promptLimit}. Nothing is cut silently: shorten the prompt or the brief`,
    { paths: [{ path: 'prompt', message: `at most ${model.promptLimit} characters, with the words that Easel adds` }] },
  );
}
