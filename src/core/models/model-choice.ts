import type { Model } from '../domain/model.ts';
import { CATALOG, type Catalog, unlistedModel } from './catalog.ts';

export interface ModelChoice {
  readonly catalog: Catalog;
  /** The model of requests that name none. */
  readonly defaultModel: string;
  /** The one model that the provider serves under a name of its own, or null where it serves what it is asked for. */
  readonly ownModel: string | null;
  /** Whether OpenAI's shutdown dates hold: servers of one's own use the names of its models for as long as they like. */
  readonly followsShutdownDates: boolean;
}

/**
 * The models that a provider can be asked for. One with a model of its own stands in with it for the standard model: that
 * is what makes it a fallback for requests that name none.
 */
export function createModelLookup({
  catalog,
  defaultModel: standard,
  ownModel: own,
  followsShutdownDates: retires,
}: ModelChoice): (id: string) => Model | null {
  const row = (id: string): Model | undefined => {
    const listed = catalog.get(id);
    // A date that the operator has written holds everywhere; OpenAI's own do not.
    const holds = retires || listed?.shutdownDate !== CATALOG.get(listed?.id ?? '')?.shutdownDate;
    return listed && !holds ? { ...listed, shutdownDate: null } : listed;
  };
  return (id) => {
    if (own !== null) return id === own || id === standard ? (row(own) ?? unlistedModel(own)) : null;
    return row(id) ?? (id === standard ? unlistedModel(id) : null);
  };
}
