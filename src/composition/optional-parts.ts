/** Parts that most installations leave off. Libraries that are slow to load are imported only where their part is on. */

import type { Logger } from 'pino';
import type { SigningParts } from '../adapters/imaging/worker.ts';
import type { Sharp } from '../adapters/provenance/reader.ts';
import { createWebhookSender } from '../adapters/webhooks/sender.ts';
import { type Config, ConfigError } from '../config/config.ts';
import { createFileUrls, type MediaUrls, type ToRecord } from '../core/domain/record.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import { NO_TRACING, type Tracer } from '../core/ports/tracer.ts';
import type { Outbox } from '../core/ports/webhooks.ts';
import { createDeliverer, type Deliverer } from '../core/webhooks/deliverer.ts';
import { createSignedLinks, type SignedLinks } from '../security/signed-links.ts';
import { createGuardedFetch } from '../security/ssrf-guard.ts';
import type { Secrets } from './stores/secrets.ts';
import { VERSION } from './version.ts';

interface Tracing {
  readonly tracer: Tracer;
  /** Adds the ids of the current trace and span to every line. */
  readonly logger: Logger;
  close(): Promise<void>;
}

/** Starts exporting traces, as `instance`. Without a collector, returns a tracer that does nothing and the logger unchanged. */
export async function openTracing(
  { tracing, secrets }: Config,
  { instance, logger, clock }: { readonly instance: string; readonly logger: Logger; readonly clock: Clock },
): Promise<Tracing> {
  if (tracing === null) return { tracer: NO_TRACING, logger, close: async () => undefined };
  const { createOtelTracing } = await import('../adapters/telemetry/otel.ts');
  return createOtelTracing({
    endpoint: tracing.endpoint,
    version: VERSION,
    instance,
    logger,
    maskSecrets: secrets.mask,
    clock,
  });
}

/**
 * What signs Content Credentials, tried, for the threads of imaging; null where signing is off. Raises `ConfigError` for a certificate that
 * C2PA does not allow.
 */
export async function trySigning({ signing: identity }: Config, clock: Clock): Promise<SigningParts | null> {
  if (identity === null) return null;
  const generator = { name: 'Easel', version: VERSION };
  // The library takes 260 ms and 26 MB to load.
  const { trySigner } = await import('../adapters/provenance/c2pa-signer.ts');
  try {
    await trySigner({ identity, generator, now: () => clock.now() });
    return { identity, generator };
  } catch (error) {
    throw new ConfigError([`C2PA_CERT: ${(error as Error).message}`]);
  }
}

/** Sharp for what this thread does with it, configured. Loaded when it is asked for: it takes 20 MB, and few processes use it. */
export async function loadSharp(): Promise<Sharp> {
  const { configureSharp } = await import('../adapters/imaging/sharp.ts');
  const { default: sharp } = await import('sharp');
  // Loading it gives the whole process its default settings, also on the threads of imaging.
  configureSharp();
  return sharp;
}

/** The URLs of pictures, and what signs and opens those of private ones; null where pictures are public. */
export function openLinks(
  { links: signing, server }: Pick<Config, 'links' | 'server'>,
  { mediaUrl: secret }: Pick<Secrets, 'mediaUrl'>,
  clock: Clock,
): { readonly urls: MediaUrls; readonly links: SignedLinks | null } {
  const plainUrls = createFileUrls(server.publicUrl);
  if (signing === null || secret === null) return { urls: plainUrls, links: null };
  const links = createSignedLinks({ plainUrls, secret, seconds: signing.seconds, clock });
  return { urls: links.urls, links };
}

interface WebhookParts {
  readonly outbox: Outbox;
  readonly secrets: Secrets['webhook'];
  readonly toRecord: ToRecord;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** Builds the webhook deliverer and its guarded HTTP client, which `opened` closes. Nothing is sent before `start()`. */
export function openWebhooks(
  { webhooks, secrets: known }: Config,
  { outbox, secrets, toRecord, telemetry, clock, random, log }: WebhookParts,
  opened: AsyncDisposableStack,
): Deliverer {
  const guard = createGuardedFetch({ allow: webhooks.allowHosts });
  opened.defer(() => guard.close());
  const sender = createWebhookSender({ secrets, guard, maskSecrets: known.mask, clock, userAgent: `Easel/${VERSION}` });
  const deliverer = createDeliverer({ outbox, sender, toRecord, telemetry, clock, random, log });
  opened.defer(() => deliverer.stop());
  return deliverer;
}
