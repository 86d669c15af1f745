import type { Cluster } from '../../support/cluster/cluster.ts';
import type { WebhookReceiver } from '../../support/network/webhook-receiver.ts';
import type { Audited, Load } from '../clients.ts';
import type { Outage } from './payments.ts';
import type { Watch } from './watchers.ts';

/** What a round of torture of a cluster knows. */
export interface ClusterRound extends Load, Audited {
  readonly cluster: Cluster;
  readonly receiver: WebhookReceiver;
  readonly watches: Watch[];
  readonly outages: Outage[];
}

/** Far more than a round takes. */
export const BUDGET_USD = 50;
