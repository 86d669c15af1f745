import type { Config } from '../../config/config.ts';
import { openEmbedded } from './embedded.ts';
import type { StoreParts, Stores } from './stores.ts';

/** Opens the stores, which `opened` closes. Raises `StorageSetupError` where a setting leads to what cannot be used. */
export async function openStores(config: Config, parts: StoreParts, opened: AsyncDisposableStack): Promise<Stores> {
  if (config.records.kind === 'sqlite') return openEmbedded(config.records, parts, opened);
  // PostgreSQL's client and pg-boss are loaded only where they are used.
  const { openCluster } = await import('./cluster.ts');
  return await openCluster(config, config.records, parts, opened);
}
