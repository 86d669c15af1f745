import { useState } from 'preact/hooks';
import type { RetryCost } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { announce } from '../ui/announce.ts';
import { Dialog } from '../ui/dialog.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { ActionButton } from './action-button.ts';
import { retryWords } from './retry-words.ts';
import { useAction } from './use-action.ts';

interface RetryActionProps {
  readonly mediaId: string;
  readonly isOff: boolean;
  readonly reason?: string | undefined;
}

/** "Retry": reads what it may cost, says it, and runs the picture again where that is confirmed. */
export function RetryAction({ mediaId, isOff, reason }: RetryActionProps) {
  const { service, images } = usePage();
  const [cost, setCost] = useState<RetryCost | null>(null);
  const asking = useAction();
  const running = useAction();
  const ask = () => asking.run(async () => setCost(await service.retryCost(mediaId)));
  const retry = () =>
    running.run(async () => {
      const record = await service.retry(mediaId);
      setCost(null);
      images.note(record);
      announce('It is run again.');
    });
  return html`
    <${ActionButton} kind="primary" isOff=${isOff || asking.isBusy} reason=${reason} onClick=${ask}>Retry<//>
    ${asking.error !== null && html`<${ErrorNotice} error=${asking.error} />`}
    ${
      cost !== null &&
      html`<${Dialog} title="Run it again?" onClose=${() => setCost(null)}>
        ${retryWords(cost).map((sentence) => html`<p>${sentence}</p>`)}
        ${running.error !== null && html`<${ErrorNotice} error=${running.error} />`}
        <div class="dialog-actions">
          <${ActionButton} kind="primary" isOff=${running.isBusy} onClick=${retry}>Retry<//>
          <${ActionButton} onClick=${() => setCost(null)}>Not now<//>
        </div>
      <//>`
    }`;
}
