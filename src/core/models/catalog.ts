import type { Model } from '../domain/model.ts';
import { BUILT_IN_MODELS } from './built-in-models.ts';

/** Models by requested name: an id or an alias. */
export type Catalog = ReadonlyMap<string, Model>;

/** A catalog row without the names that it is found by. */
export type ModelFacts = Omit<Model, 'id' | 'alias'>;

/** What the operator adds to the built-in catalog. */
interface CatalogAdditions {
  /** Facts by model id. They override those of a built-in row; without one, they make a new row on the basis of `unlistedModel`. */
  readonly models: ReadonlyMap<string, Partial<ModelFacts>>;
  /** Model ids by alias. */
  readonly aliases: ReadonlyMap<string, string>;
}

/** The built-in rows with the operator's additions. An alias shadows a row with its name; an alias of an unknown model is ignored. */
export function createCatalog({ models, aliases }: CatalogAdditions): Catalog {
  const rows = new Map<string, Model>(BUILT_IN_MODELS.map((model) => [model.id, { ...model, alias: null }]));
  for (const [id, facts] of models) rows.set(id, { ...(rows.get(id) ?? unlistedModel(id)), ...facts });
  const aliased = [...aliases].flatMap(([alias, id]) => {
    const model = rows.get(id);
    return model ? [[alias, { ...model, alias }] as const] : [];
  });
  return new Map([...rows, ...aliased]);
}

/** The built-in catalog, without additions. */
export const CATALOG = createCatalog({ models: new Map(), aliases: new Map() });

/**
 * The row for a model that no catalog lists, such as one of the operator's own server. It sends the size and no other optional parameter,
 * as OpenAI-compatible servers are known to refuse those.
 */
export function unlistedModel(id: string): Model {
  return {
    id,
    alias: null,
    sizes: {
      kind: 'range',
      step: 16,
      minSide: 64,
      maxSide: 4096,
      minPixels: 64 * 64,
      maxPixels: 4096 * 4096,
      maxRatio: 64,
    },
    qualities: null,
    styles: null,
    backgrounds: null,
    formats: null,
    promptLimit: 32_000,
    maxPictures: 1,
    partialImages: 0,
    options: [],
    edits: null,
    shutdownDate: null,
    successor: null,
    pricing: null,
  };
}
