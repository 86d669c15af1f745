import { useState } from 'preact/hooks';
import type { CleanupReport, LastCleanup } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { hashOf } from '../state/places.ts';
import { announce } from '../ui/announce.ts';
import { Dialog } from '../ui/dialog.ts';
import { formatBytes, formatTime } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { Panel } from './panel.ts';

interface CleanupPanelProps {
  readonly nextAt: string | null;
  readonly last: LastCleanup | null;
  readonly onDone: () => void;
}

/** The next cleanup and the last one, and what the next one would take. */
export function CleanupPanel({ nextAt, last, onDone }: CleanupPanelProps) {
  const { service } = usePage();
  const [report, setReport] = useState<CleanupReport | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const run = async (dryRun: boolean) => {
    setBusy(true);
    setError(null);
    try {
      const answer = await service.json<CleanupReport>('cleanup', { method: 'POST', body: { dryRun } });
      setReport(answer);
      announce(
        dryRun
          ? `A cleanup would delete ${countPictures(answer.deleted)}.`
          : `${countPictures(answer.deleted)} deleted.`,
      );
      if (!dryRun) onDone();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
      setAsking(false);
    }
  };
  return html`<${Panel} title="Cleanup">
    <p>
      ${nextAt === null ? 'No cleanup is scheduled.' : `The next one: ${formatTime(nextAt)}.`}${' '}
      ${last === null ? 'None has run yet.' : describeLast(last)}
    </p>
    <div class="actions">
      <button type="button" disabled=${isBusy} onClick=${() => run(true)}>Dry run</button>
      ${
        report?.dryRun &&
        report.deleted > 0 &&
        html`<button type="button" class="danger" disabled=${isBusy} onClick=${() => setAsking(true)}>Clean up now</button>`
      }
    </div>
    ${error !== null && html`<${ErrorNotice} error=${error} />`}
    ${report && html`<${Report} report=${report} />`}
    ${
      isAsking &&
      report &&
      html`<${Dialog} title=${`Delete ${countPictures(report.deleted)}?`} onClose=${() => setAsking(false)}>
        <p>Their files and records go, and cannot be brought back. It frees ${formatBytes(report.freedBytes)}.</p>
        <div class="actions">
          <button type="button" class="danger" disabled=${isBusy} onClick=${() => run(false)}>Delete them</button>
          <button type="button" autofocus onClick=${() => setAsking(false)}>Keep them</button>
        </div>
      <//>`
    }
  <//>`;
}

function Report({ report }: { readonly report: CleanupReport }) {
  const { dryRun, deleted, freedBytes, kept, orphansRemoved, missingFiles, mediaIds = [] } = report;
  return html`<div class="report">
    <p>${dryRun ? 'It would delete' : 'It deleted'} ${countPictures(deleted)}
      and ${orphansRemoved} ${orphansRemoved === 1 ? 'file' : 'files'} without a record,
      free ${formatBytes(freedBytes)}, and keep ${countPictures(kept)}.
      ${missingFiles > 0 && html` Of ${countPictures(missingFiles)} a file is missing.`}</p>
    ${mediaIds.length > 0 && html`<h3>These would go</h3>`}
    <ul class="names">${mediaIds.map(
      (mediaId) => html`<li key=${mediaId}><a href=${hashOf({ name: 'picture', mediaId })}>${mediaId}</a></li>`,
    )}</ul>
    ${deleted > mediaIds.length && mediaIds.length > 0 && html`<p class="muted">And ${deleted - mediaIds.length} more.</p>`}
  </div>`;
}

function countPictures(count: number): string {
  return count === 1 ? '1 picture' : `${count} pictures`;
}

function describeLast({ time, deleted, freedBytes, dryRun }: LastCleanup): string {
  const [what, freed] = [countPictures(deleted), formatBytes(freedBytes)];
  const done = dryRun
    ? `was a dry run: it would have deleted ${what} and freed ${freed}`
    : `deleted ${what} and freed ${freed}`;
  return `The last one, ${formatTime(time)}, ${done}.`;
}
