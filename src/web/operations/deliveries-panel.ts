import { useState } from 'preact/hooks';
import type { FailingDelivery } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { hashOf } from '../state/places.ts';
import { announce } from '../ui/announce.ts';
import { formatTime } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { Panel } from './panel.ts';
import { usePolled } from './polled.ts';

const EVERY_MS = 15_000;

/** Webhooks that do not arrive: those that are tried again, and those that were given up. */
export function DeliveriesPanel() {
  const failing = usePolled<{ items: FailingDelivery[] }>('deliveries?status=failing&limit=20', EVERY_MS);
  const failed = usePolled<{ items: FailingDelivery[] }>('deliveries?status=failed&limit=20', EVERY_MS);
  const items = [...(failing.value?.items ?? []), ...(failed.value?.items ?? [])];
  const error = failing.error ?? failed.error;
  const isKnown = failing.value !== null && failed.value !== null;
  const readAgain = () => {
    failing.readAgain();
    failed.readAgain();
  };
  return html`<${Panel} title="Webhooks that fail" isWide>
    ${error !== null && html`<${ErrorNotice} error=${error} onRetry=${readAgain} />`}
    ${isKnown && error === null && items.length === 0 && html`<p class="muted">All of them arrive.</p>`}
    ${!isKnown && error === null && html`<p class="muted">Reading …</p>`}
    <ul class="deliveries">${items.map((item) => html`<${Item} key=${item.id} item=${item} onDone=${readAgain} />`)}</ul>
  <//>`;
}

function Item({ item, onDone }: { readonly item: FailingDelivery; readonly onDone: () => void }) {
  const { service } = usePage();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const { id, mediaId, host, attempts, lastStatus, lastError, nextAttemptAt } = item;
  const redeliver = async () => {
    setBusy(true);
    setError(null);
    try {
      await service.json(`images/${encodeURIComponent(mediaId)}/deliveries/${encodeURIComponent(id)}/redeliver`, {
        method: 'POST',
      });
      announce(`The webhook to ${host} is sent again.`);
      onDone();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const answer = lastStatus === null ? (lastError ?? 'no answer') : `it answered ${lastStatus}`;
  return html`<li>
    <p><strong>${host}</strong> about <a href=${hashOf({ name: 'picture', mediaId })}>${mediaId}</a></p>
    <p class="small">Tried ${attempts === 1 ? 'once' : `${attempts} times`}: ${answer}. ${
      nextAttemptAt === null ? 'Given up.' : `The next try: ${formatTime(nextAttemptAt)}.`
    }</p>
    <button type="button" disabled=${isBusy} onClick=${redeliver}>
      Send again<span class="visually-hidden"> to ${host} about ${mediaId}</span>
    </button>
    ${error !== null && html`<${ErrorNotice} error=${error} />`}
  </li>`;
}
