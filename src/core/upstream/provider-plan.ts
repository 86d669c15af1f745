import { ImageError } from '../domain/errors.ts';
import type { Warning } from '../domain/image.ts';
import type { Model } from '../domain/model.ts';
import type { ImageRequest } from '../domain/request.ts';
import { describeShutdown, isShutDown } from '../models/retirement.ts';
import { type GenerationPlan, planGeneration } from '../planning/plan.ts';
import type { Provider } from '../ports/provider.ts';

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

/** A space in place of each: taken out without a trace, what is left could join up to the same text again. */
function stripControlSequences(prompt: string, controlSequences: readonly string[]): string {
  return controlSequences.reduce(
    (text, sequence) => text.replaceAll(new RegExp(RegExp.escape(sequence), 'gi'), ' '),
    prompt,
  );
}

/** The model's row. Raises `unsupported_parameter` for a model that the provider does not have, or has no more. */
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
