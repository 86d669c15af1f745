import type { Model } from '../domain/model.ts';
import { CATALOG, type Catalog, unlistedModel } from './catalog.ts';

/** Which models one provider offers. */
interface ModelChoice {
  readonly catalog: Catalog;
  /** The model of requests that name none. */
  readonly defaultModel: string;
  /** The only model of the provider, by the provider's own name for it; null where the provider serves the models of the catalog. */
  readonly ownModel: string | null;
  /** Whether OpenAI's shutdown dates apply: compatible servers may serve models of the same name for longer. */
  readonly followsShutdownDates: boolean;
}

/**
 * Creates the function that finds the row of a requested model, or null where the provider does not offer that model.
 * A provider with an own model serves it in place of the default model, so that it can be a fallback for requests that name none.
 */
export function createModelLookup(choice: ModelChoice): (id: string) => Model | null {
  const { catalog, defaultModel, ownModel, followsShutdownDates } = choice;
  const find = (id: string): Model | undefined => {
    const row = catalog.get(id);
    // A date that differs from the built-in one was set by the operator, and applies to every provider.
    const dateApplies = followsShutdownDates || row?.shutdownDate !== CATALOG.get(row?.id ?? '')?.shutdownDate;
    return row && !dateApplies ? { ...row, shutdownDate: null } : row;
  };
  return (id) => {
    if (ownModel === null) return find(id) ?? (id === defaultModel ? unlistedModel(id) : null);
    return id === ownModel || id === defaultModel ? (find(ownModel) ?? unlistedModel(ownModel)) : null;
  };
}
