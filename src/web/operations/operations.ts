import type { Model, OperationsReport, UsageReport } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { may } from '../state/session.ts';
import { useStore } from '../state/store.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice, Notice } from '../ui/notice.ts';
import { CleanupPanel } from './cleanup-panel.ts';
import { DeliveriesPanel } from './deliveries-panel.ts';
import { ModelsPanel } from './models-panel.ts';
import { usePolled } from './polled.ts';
import { ProvidersPanel } from './providers-panel.ts';
import { SpendPlot } from './spend-plot.ts';
import { StagePlot } from './stage-plot.ts';
import { StoragePanel, WorkPanel } from './work-panel.ts';

const REPORT_MS = 3000;
const SPENDING_MS = 60_000;

/** What an operator wonders about: providers, queue, money, time, disk, cleanup, models and webhooks. */
export function Operations() {
  const { session } = usePage();
  const state = useStore(session);
  if (state.identity !== null && !may(state, 'admin')) {
    return html`<${Notice} level=${1} title="Operations are for keys with the scope admin">
      <p>The key ${state.identity.name} may not see them. Use another key: "Forget key" asks for one.</p>
    <//>`;
  }
  return state.identity === null ? html`<h1>Operations</h1><p class="muted">Reading …</p>` : html`<${Report} />`;
}

function Report() {
  const report = usePolled<OperationsReport>('operations', REPORT_MS);
  const usage = usePolled<UsageReport>('usage', SPENDING_MS);
  const models = usePolled<{ items: Model[] }>('models', SPENDING_MS);
  const { value } = report;
  return html`
    <h1>Operations</h1>
    ${report.error !== null && html`<${ErrorNotice} error=${report.error} onRetry=${report.readAgain} />`}
    ${value === null && report.error === null && html`<p class="muted" role="status">Reading …</p>`}
    <div class="panels">
      ${
        value &&
        html`<${ProvidersPanel} providers=${value.providers} />
          <${WorkPanel} queue=${value.queue} instances=${value.instances.length} />
          <${StoragePanel} disk=${value.disk} />`
      }
      ${usage.error !== null && html`<${ErrorNotice} error=${usage.error} onRetry=${usage.readAgain} />`}
      ${usage.value && html`<${SpendPlot} usage=${usage.value} />`}
      ${
        value &&
        html`<${StagePlot} stages=${value.stages} />
          <${CleanupPanel} nextAt=${value.cleanup.nextAt} last=${value.cleanup.last} onDone=${report.readAgain} />`
      }
      <${DeliveriesPanel} />
      ${models.error !== null && html`<${ErrorNotice} error=${models.error} onRetry=${models.readAgain} />`}
      ${models.value && html`<${ModelsPanel} models=${models.value.items} />`}
    </div>
  `;
}
