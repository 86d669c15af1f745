import { useId, useRef, useState } from 'preact/hooks';
import type { ImageRecord } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { hashOf } from '../state/places.ts';
import { may } from '../state/session.ts';
import { useStore } from '../state/store.ts';
import { announce } from '../ui/announce.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { STATUS_WORDS } from '../ui/words.ts';
import { ActionButton, ActionLink } from './action-button.ts';
import { DeleteDialog } from './delete.ts';
import { LabelsDialog } from './labels.ts';
import { RetryAction } from './retry.ts';
import { useAction } from './use-action.ts';
import { useKeptFocus } from './use-kept-focus.ts';

/** What can be done with the picture, and the error of what failed. */
export function Actions({ record }: { readonly record: ImageRecord }) {
  const { service, images, session } = usePage();
  const state = useStore(session);
  const mayChange = may(state, 'generate');
  const reason = useId();
  const container = useRef<HTMLDivElement>(null);
  const [dialog, setDialog] = useState<'labels' | 'delete' | null>(null);
  const cancelling = useAction();
  const pinning = useAction();
  useKeptFocus(container);

  const { mediaId, status, pinned } = record;
  const isRunning = status === 'queued' || status === 'generating' || status === 'processing';
  const off = { isOff: !mayChange, reason: mayChange ? undefined : reason };
  const cancel = () =>
    cancelling.run(async () => {
      const ended = await service.cancel(mediaId);
      images.note(ended);
      announce(ended.status === 'cancelled' ? 'The picture is cancelled.' : `${STATUS_WORDS[ended.status]}.`);
    });
  const pin = () =>
    pinning.run(async () => {
      const changed = await service.patch(mediaId, { pinned: !pinned });
      images.note(changed);
      announce(changed.pinned ? 'Pinned: no cleanup takes it.' : 'It is no longer pinned.');
    });
  const close = () => setDialog(null);
  return html`<div class="picture-actions" ref=${container} tabindex="-1" role="group" aria-label="What to do with it">
    <div class="action-row">
      ${
        isRunning &&
        html`<${ActionButton} key="cancel" ...${off} isOff=${off.isOff || cancelling.isBusy} onClick=${cancel}>Cancel<//>`
      }
      ${(status === 'failed' || status === 'cancelled') && html`<${RetryAction} key="retry" mediaId=${mediaId} ...${off} />`}
      <${ActionLink} key="again" ...${off} href=${hashOf({ name: 'make', from: mediaId, input: null })}>Again with changes<//>
      ${
        record.url !== null &&
        html`<${ActionLink} key="edit" ...${off} href=${hashOf({ name: 'make', from: null, input: mediaId })}>Edit<//>`
      }
      <${ActionButton} key="pin" ...${off} isOff=${off.isOff || pinning.isBusy} isPressed=${pinned} onClick=${pin}>Pin<//>
      <${ActionButton} key="labels" ...${off} onClick=${() => setDialog('labels')}>Labels<//>
      <${ActionButton} key="delete" ...${off} kind="danger" onClick=${() => setDialog('delete')}>Delete<//>
    </div>
    ${
      state.identity !== null &&
      !mayChange &&
      html`<p id=${reason} class="muted small">This key may look, not change: it lacks the right to generate.</p>`
    }
    ${[cancelling, pinning].map(({ error }, index) => error !== null && html`<${ErrorNotice} key=${`error ${index}`} error=${error} />`)}
    ${dialog === 'labels' && html`<${LabelsDialog} record=${record} onClose=${close} />`}
    ${dialog === 'delete' && html`<${DeleteDialog} record=${record} onClose=${close} />`}
  </div>`;
}
