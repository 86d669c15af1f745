import type { Size } from '../domain/geometry.ts';
import { negotiateSize } from '../planning/size-negotiation.ts';
import type { Provider } from '../ports/provider.ts';

/** What a call of the OpenAI dialect gets where it chooses nothing. */
export interface CallDefaults {
  /** The model of calls that name none. */
  readonly model: string;
  /**
   * The size that this model (null: the default one) makes and that is nearest to the default size, so that its picture is used
   * uncropped. A model that no provider offers gets the default size: submitting it is refused anyway.
   */
  readonly sizeFor: (model: string | null) => Size;
}

interface CallDefaultsDeps {
  /** In order of preference. */
  readonly providers: readonly Pick<Provider, 'model'>[];
  readonly defaults: { readonly model: string; readonly size: Size };
}

/** Creates the defaults. The size is that of the first provider that offers the model. */
export function createCallDefaults({ providers, defaults }: CallDefaultsDeps): CallDefaults {
  return {
    model: defaults.model,
    sizeFor(model) {
      const id = model ?? defaults.model;
      const row = providers.map((provider) => provider.model(id)).find((found) => found !== null);
      return row ? negotiateSize(defaults.size, row.sizes).requested : defaults.size;
    },
  };
}
