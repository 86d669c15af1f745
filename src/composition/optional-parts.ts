/** Parts that most installations leave off. Libraries that are slow to load are imported only where their part is on. */

import type { Logger } from 'pino';
import { type Config, ConfigError } from '../config/config.ts';
import type { Clock } from '../core/ports/clock.ts';
import { NO_TRACING, type Tracer } from '../core/ports/tracer.ts';
import { loadOrCreateSecret } from '../security/secret-file.ts';
import { createSignedLinks, type SignedLinks } from '../security/signed-links.ts';
import { VERSION } from './version.ts';

interface Tracing {
  readonly tracer: Tracer;
  /** Adds the ids of the current trace and span to every line. */
  readonly logger: Logger;
  close(): Promise<void>;
}

/** Starts exporting traces. Without a collector, returns a tracer that does nothing and the logger unchanged. */
export async function openTracing({ tracing }: Config, logger: Logger, clock: Clock): Promise<Tracing> {
  if (tracing === null) return { tracer: NO_TRACING, logger, close: async () => undefined };
  const { createOtelTracing } = await import('../adapters/telemetry/otel.ts');
  return createOtelTracing({ endpoint: tracing.endpoint, version: VERSION, logger, clock });
}

/** The signer of Content Credentials; null where signing is off. Raises `ConfigError` for a certificate that C2PA does not allow. */
export async function createSigner({ signing }: Config, clock: Clock) {
  if (signing === null) return null;
  // The library takes 260 ms and 26 MB to load.
  const { createFileSigner } = await import('../adapters/provenance/c2pa-signer.ts');
  try {
    return await createFileSigner({
      identity: signing,
      generator: { name: 'Easel', version: VERSION },
      now: () => clock.now(),
    });
  } catch (error) {
    throw new ConfigError([`C2PA_CERT: ${(error as Error).message}`]);
  }
}

/** The signed URLs of private pictures; null where pictures are public. A secret that is not set is generated once and kept in a file. */
export async function openLinks({ links }: Config, clock: Clock): Promise<SignedLinks | null> {
  if (links === null) return null;
  const secret = links.secret ?? (await loadOrCreateSecret(links.secretPath));
  return createSignedLinks({ secret, seconds: links.seconds, clock });
}
