import type { Logger } from 'pino';
import { createWebhookSender } from '../adapters/webhooks/sender.ts';
import type { Config } from '../config/config.ts';
import type { ToRecord } from '../core/domain/record.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import type { Outbox } from '../core/ports/webhooks.ts';
import { createDeliverer, type Deliverer } from '../core/webhooks/deliverer.ts';
import { loadOrCreateSecret } from '../security/secret-file.ts';
import { createGuardedFetch } from '../security/ssrf-guard.ts';
import { VERSION } from './version.ts';

interface WebhookParts {
  readonly outbox: Outbox;
  readonly toRecord: ToRecord;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** Builds the webhook deliverer and its guarded HTTP client, which `opened` closes. Nothing is sent before `start()`. */
export async function openWebhooks(
  { webhooks }: Config,
  { outbox, toRecord, telemetry, clock, random, log }: WebhookParts,
  opened: AsyncDisposableStack,
): Promise<Deliverer> {
  const guard = createGuardedFetch({ allow: webhooks.allowHosts });
  opened.defer(() => guard.close());
  const secrets = webhooks.secrets ?? [await loadOrCreateSecret(webhooks.secretPath, toWebhookSecret)];
  const sender = createWebhookSender({ secrets, guard, clock, userAgent: `Easel/${VERSION}` });
  const deliverer = createDeliverer({ outbox, sender, toRecord, telemetry, clock, random, log });
  opened.defer(() => deliverer.stop());
  return deliverer;
}

/** Formats a secret as the Standard Webhooks specification does. */
function toWebhookSecret(bits: Buffer): string {
  return `whsec_${bits.toString('base64')}`;
}
