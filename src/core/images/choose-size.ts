import type { Size } from '../domain/geometry.ts';
import { negotiateSize } from '../planning/size-negotiation.ts';
import type { Provider } from '../ports/provider.ts';

/** The size of a picture for which the caller chose none. `model` is as it was requested; null for the default model. */
export type ChooseSize = (model: string | null) => Size;

interface ChooseSizeDeps {
  /** In order of preference. */
  readonly providers: readonly Pick<Provider, 'model'>[];
  readonly defaults: { readonly model: string; readonly size: Size };
}

/**
 * Chooses the size that the first provider's model makes and that is nearest to the default size, so that its picture is used uncropped.
 * A model that no provider offers gets the default size: submitting it is refused anyway.
 */
export function createChooseSize({ providers, defaults }: ChooseSizeDeps): ChooseSize {
  return (model) => {
    const id = model ?? defaults.model;
    const row = providers.map((provider) => provider.model(id)).find((found) => found !== null);
    return row ? negotiateSize(defaults.size, row.sizes).requested : defaults.size;
  };
}
