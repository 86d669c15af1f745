import type { Model } from '../domain/model.ts';
import type { Provider } from '../ports/provider.ts';
import { isShutDown } from './retirement.ts';

/** A model as one provider offers it. */
export interface OfferedModel {
  readonly model: Model;
  readonly provider: string;
  /** False where a call would fail now: the provider is down, or has shut the model down. */
  readonly usable: boolean;
}

interface ModelListDeps {
  /** In order of preference. */
  readonly providers: readonly Pick<Provider, 'name' | 'model'>[];
  /** Every name by which a request may ask for a model: ids and aliases. */
  readonly names: readonly string[];
  /** Whether no call to this provider is made at the moment. */
  readonly isDown: (provider: string) => boolean;
}

/**
 * The models of every provider, in the order of the providers and of `names`, each once under its own id, which is a name to request it
 * by; retired ones too. `now` is in milliseconds since 1970.
 */
export function listModels({ providers, names, isDown }: ModelListDeps, now: number): readonly OfferedModel[] {
  return providers.flatMap((offer) => {
    // A provider may serve a name with another model, whose row then has the id and may have other dates than under its own name.
    const served = new Map(names.flatMap((name) => offer.model(name) ?? []).map((model) => [model.id, model]));
    return [...served].map(([id, byOtherName]) => {
      const model = offer.model(id) ?? byOtherName;
      const isRetired = model.shutdownDate !== null && isShutDown(model.shutdownDate, now);
      return { model, provider: offer.name, usable: !isRetired && !isDown(offer.name) };
    });
  });
}
