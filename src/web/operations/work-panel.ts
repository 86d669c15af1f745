import type { OperationsReport } from '../service/types.ts';
import { formatBytes, formatDuration } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { useNow } from '../ui/now.ts';
import { Figure, Panel } from './panel.ts';

interface WorkPanelProps {
  readonly queue: OperationsReport['queue'];
  readonly instances: number;
}

/** What waits and what runs. */
export function WorkPanel({ queue, instances }: WorkPanelProps) {
  const { queued, running, limit, oldestQueuedAt } = queue;
  const now = useNow(oldestQueuedAt !== null);
  return html`<${Panel} title="Queue">
    <dl class="figures">
      <${Figure} name="Waiting" of=${`of at most ${limit}`}>${queued}<//>
      <${Figure} name="Being made">${running}<//>
      <${Figure} name="Oldest waits">
        ${oldestQueuedAt === null ? 'Nothing waits' : formatDuration(Math.max(0, now - Date.parse(oldestQueuedAt)))}
      <//>
      <${Figure} name="Processes">${instances}<//>
    </dl>
    <meter min="0" max=${limit} low=${limit * 0.5} high=${limit * 0.8} optimum="0" value=${queued} aria-label="Queue, how full"></meter>
  <//>`;
}

/** Room for pictures. */
export function StoragePanel({
  disk: { freeBytes, mediaBytes, maxBytes },
}: {
  readonly disk: OperationsReport['disk'];
}) {
  return html`<${Panel} title="Storage">
    <dl class="figures">
      <${Figure} name="Pictures take">${formatBytes(mediaBytes)}<//>
      <${Figure} name="Kept up to">${maxBytes === null ? 'No limit' : formatBytes(maxBytes)}<//>
      <${Figure} name="Free">${freeBytes === null ? 'Not known of a bucket' : formatBytes(freeBytes)}<//>
    </dl>
    ${
      maxBytes !== null &&
      html`<meter min="0" max=${maxBytes} low=${maxBytes * 0.8} high=${maxBytes * 0.95} optimum="0" value=${mediaBytes}
        aria-label="Storage, how full"></meter>`
    }
  <//>`;
}
