import type { ProviderState } from '../domain/provider-state.ts';

/** A running process over the records. */
export interface Instance {
  /** A random UUID, of this start alone. */
  readonly id: string;
  readonly version: string;
  readonly role: string;
  /** ISO 8601, UTC, by the database's clock where instances share one. */
  readonly startedAt: string;
  readonly seenAt: string;
  /** How its providers stood when it was last seen; empty where it has not said so. */
  readonly providers: readonly ProviderState[];
}

/** The instances that live, by their start. Raises `ImageError` with `storage_unavailable`. */
export type ListInstances = () => Promise<readonly Instance[]>;
