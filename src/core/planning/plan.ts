import { ImageError } from '../domain/errors.ts';
import type { Background, Quality } from '../domain/formats.ts';
import { coverCropWithin, formatSize, type Size } from '../domain/geometry.ts';
import type { Warning } from '../domain/image.ts';
import type { PlannedFields } from '../domain/life-cycle/transitions.ts';
import type { Model } from '../domain/model.ts';
import type { ImageRequest } from '../domain/request.ts';
import type { GenerationCall } from '../ports/provider.ts';
import { buildPrompt, type PromptParts } from './prompt.ts';
import { MAX_ENLARGEMENT, negotiateSize, type SizePlan } from './size-negotiation.ts';

/** How one model will make the picture of a request. */
export interface GenerationPlan {
  readonly call: GenerationCall;
  readonly size: SizePlan;
  readonly warnings: readonly Warning[];
  /** Names of request parameters that the model does not support. */
  readonly parametersDropped: readonly string[];
}

/**
 * Plans the call that makes a request's picture with a model. Parameters that the model supports are sent; others are written
 * into the prompt or dropped, with a warning. Pure.
 * Raises `unsupported_parameter` for a size or a prompt length that the model cannot serve.
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
      detail: `${model.alias} was requested; MODEL_ALIASES maps it to ${model.id}`,
    });
  }

  const size = planSize(request.size, model, warnings);

  const quality = mapQuality(request.quality, model.qualities);
  if (quality === null && request.quality !== 'auto') {
    drop('quality', `quality is not a parameter of ${model.id}`);
  } else if (quality !== null && quality !== request.quality && request.quality !== 'auto') {
    const detail = `quality ${request.quality} was mapped to ${quality}, the nearest that ${model.id} supports`;
    warnings.push({ code: 'parameter_mapped', detail });
  }

  const supportsStyle = request.style !== null && (model.styles?.includes(request.style) ?? false);
  if (request.style !== null && !supportsStyle) {
    const reason = model.styles
      ? `this style is not supported by ${model.id} (only ${model.styles.join(', ')})`
      : `style is not a parameter of ${model.id}`;
    drop('style', reason, styleSentence(request.style));
  }

  const supportsBackground = model.backgrounds?.includes(request.background) ?? false;
  if (request.background !== 'auto' && !supportsBackground) {
    drop('background', `background is not a parameter of ${model.id}`, backgroundSentence(request.background));
  }

  const partials = request.partials ?? 0;
  const partialImages = Math.min(partials, model.partialImages);
  if (partials > 0 && partialImages === 0) {
    drop('partials', `${model.id} does not stream: no partial pictures are shown`);
  } else if (partialImages < partials) {
    const detail = `partials ${partials} was mapped to ${partialImages}, the most that ${model.id} streams`;
    warnings.push({ code: 'parameter_mapped', detail });
  }

  // A picture that will be cropped or scaled is encoded again, so its original is requested in a lossless format.
  const isUsedUnchanged = formatSize(size.requested) === formatSize(request.size);
  const format = isUsedUnchanged ? request.format : 'png';

  const prompt = buildPrompt({
    prompt: request.prompt,
    brief: request.brief,
    additions: promptAdditions,
    crops: cropsToAskFor(request, size),
  });
  refuseLongPrompt(prompt, model);

  return {
    call: {
      partialImages,
      model,
      prompt,
      size: size.requested,
      quality,
      style: supportsStyle ? request.style : null,
      background: supportsBackground ? request.background : null,
      format: model.formats?.includes(format) ? format : null,
    },
    size,
    warnings,
    parametersDropped,
  };
}

/** The crops that the prompt asks margins for: that of the master, and those of renditions that the request or its preset names. */
function cropsToAskFor({ crop, renditions, hasDefaultRenditions }: ImageRequest, size: SizePlan): PromptParts['crops'] {
  // Then every file shows the whole picture.
  if (crop === 'contain') return [];
  const named = hasDefaultRenditions ? [] : renditions;
  return [size.crop, ...named.map((rendition) => coverCropWithin(size.crop, rendition))].map((part) => ({
    from: size.requested,
    crop: part,
  }));
}

/** The fields of an image's record that describe its planned or latest call. */
export function plannedFields(provider: string, { call, warnings }: GenerationPlan): PlannedFields {
  return { provider, model: call.model.id, prompt: call.prompt, requestedSize: call.size, warnings };
}

function planSize(target: Size, model: Model, warnings: Warning[]): SizePlan {
  const plan = negotiateSize(target, model.sizes);
  const factor = plan.scale.toFixed(2);
  if (plan.scale > MAX_ENLARGEMENT) {
    const detail =
      `${model.id} generates at most ${formatSize(plan.crop)} in the shape of ${formatSize(target)}; that would ` +
      `be enlarged ${factor} times, and the limit is ${MAX_ENLARGEMENT}`;
    throw new ImageError('unsupported_parameter', detail, {
      paths: [{ path: 'size', message: 'choose a smaller size, another shape or another model' }],
    });
  }
  if (plan.scale > 1) {
    warnings.push({ code: 'enlarged', detail: `the master is enlarged ${factor} times from ${formatSize(plan.crop)}` });
  }
  return plan;
}

/** For each quality, itself and what other model generations call it, nearest first. */
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

function mapQuality(quality: Quality, supported: readonly Quality[] | null): Quality | null {
  return QUALITY_EQUIVALENTS[quality].find((equivalent) => supported?.includes(equivalent)) ?? null;
}

/** The style as a sentence of the prompt. For DALL-E's two styles, the sentence is OpenAI's own description of them. */
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
  // The limit counts code points. There are never more of them than UTF-16 units, so only long prompts need the slow count.
  const length = prompt.length <= model.promptLimit ? prompt.length : [...prompt].length;
  if (length <= model.promptLimit) return;
  throw new ImageError(
    'unsupported_parameter',
    `the final prompt has ${length} characters, and ${model.id} accepts at most ${model.promptLimit}; ` +
      `prompts are never truncated: shorten the prompt or the brief`,
    { paths: [{ path: 'prompt', message: `at most ${model.promptLimit} characters, including what Easel adds` }] },
  );
}
