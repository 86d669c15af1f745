import { ImageError } from '../domain/errors.ts';
import type { Warning } from '../domain/image.ts';
import type { Model } from '../domain/model.ts';
import type { ImageRequest } from '../domain/request.ts';
import { describeShutdown, isShutDown } from '../models/retirement.ts';
import { type GenerationPlan, planGeneration } from '../planning/plan.ts';
import type { Provider } from '../ports/provider.ts';

/**
 * The plan of the request at this provider: `planGeneration` for its model, minus what the provider does not take, each with a warning.
 * Raises `unsupported_parameter` for a model that it does not have at `now` (milliseconds since 1970).
 */
export function planFor(provider: Provider, request: ImageRequest, now: number): GenerationPlan {
  const plan = planGeneration(request, servedModel(provider, request.model, now));
  const { supportsSize, controlSequences } = provider;
  const warnings: Warning[] = [];
  if (!supportsSize) {
    warnings.push({ code: 'parameter_dropped', detail: `size is not a parameter of ${provider.name}` });
  }
  const prompt = stripControlSequences(plan.call.prompt, controlSequences);
  if (prompt !== plan.call.prompt) {
    warnings.push({
      code: 'prompt_changed',
      detail: `texts that ${provider.name} takes for commands were taken out`,
    });
  }
  return { ...plan, call: { ...plan.call, prompt }, warnings: [...plan.warnings, ...warnings] };
}

/** Replaces each control sequence by a space: with nothing in its place, the rest could form the sequence again. */
function stripControlSequences(prompt: string, controlSequences: readonly string[]): string {
  return controlSequences.reduce(
    (text, sequence) => text.replaceAll(new RegExp(RegExp.escape(sequence), 'gi'), ' '),
    prompt,
  );
}

/** The model's catalog row. Raises `unsupported_parameter` where the provider does not have the model, or has shut it down. */
function servedModel(provider: Provider, id: string, now: number): Model {
  const model = provider.model(id);
  if (model === null)
    throw unusableModel(`${provider.name} has no model ${id}`, 'choose a model from the catalog, or leave it out');
  const { shutdownDate: date, successor } = model;
  if (date !== null && isShutDown(date, now)) {
    const advice = successor === null ? 'choose another model' : `use ${successor}`;
    throw unusableModel(describeShutdown({ model: id, date, successor }, now), advice);
  }
  return model;
}

function unusableModel(detail: string, message: string): ImageError {
  return new ImageError('unsupported_parameter', detail, { paths: [{ path: 'model', message }] });
}
