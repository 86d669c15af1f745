import type { Logger } from 'pino';
import { type Config, ConfigError } from '../config/config.ts';
import type { Clock } from '../core/ports/clock.ts';
import { NO_TRACING, type Tracer } from '../core/ports/tracer.ts';
import { loadOrCreateSecret } from '../security/secret-file.ts';
import { createSignedLinks, type SignedLinks } from '../security/signed-links.ts';
import { VERSION } from './version.ts';

/** Signs with the configured secret, or with one that is made at the first start and kept. */
export async function openLinks(links: NonNullable<Config['links']>, clock: Clock): Promise<SignedLinks> {
  const secret = links.secret ?? (await loadOrCreateSecret(links.secretPath));
  return createSignedLinks({ secret, seconds: links.seconds, clock });
}

/** As receivers are given it. */
export function webhookSecret(bits: Buffer): string {
  return `whsec_${bits.toString('base64')}`;
}

interface Tracing {
  readonly tracer: Tracer;
  /** Its lines bear the ids of the trace they belong to. */
  readonly logger: Logger;
  close(): Promise<void>;
}

export async function openTracing({ tracing }: Config, logger: Logger, clock: Clock): Promise<Tracing> {
  if (tracing === null) return { tracer: NO_TRACING, logger, close: async () => undefined };
  // Who collects no traces is spared loading the SDK.
  const { createOtelTracing } = await import('../adapters/telemetry/otel.ts');
  return createOtelTracing({ endpoint: tracing.endpoint, version: VERSION, logger, clock });
}

/** Raises `ConfigError` for a certificate that signatures by it do not verify with. */
export async function createSigner({ signing }: Config, clock: Clock) {
  if (signing === null) return null;
  // The library takes 260 ms and 26 MB to load, which those who sign nothing are spared.
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
