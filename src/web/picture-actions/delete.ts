import { leaveForGallery } from '../picture/back-link.ts';
import type { ImageRecord } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { announce } from '../ui/announce.ts';
import { Dialog } from '../ui/dialog.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { ActionButton } from './action-button.ts';
import { useAction } from './use-action.ts';

interface DeleteDialogProps {
  readonly record: ImageRecord;
  readonly onClose: () => void;
}

/** Asks before a picture is deleted, and says what goes with it. */
export function DeleteDialog({ record, onClose }: DeleteDialogProps) {
  const { service } = usePage();
  const { run, isBusy, error } = useAction();
  const remove = () =>
    run(async () => {
      await service.remove(record.mediaId);
      announce('The picture is deleted.');
      leaveForGallery();
    });
  return html`<${Dialog} title="Delete this picture?" onClose=${onClose}>
    <p>${goneWords(record)} Links to it stop working. This cannot be undone.</p>
    ${error !== null && html`<${ErrorNotice} error=${error} />`}
    <div class="dialog-actions">
      <${ActionButton} kind="danger" isOff=${isBusy} onClick=${remove}>Delete<//>
      <${ActionButton} onClick=${onClose}>Keep it<//>
    </div>
  <//>`;
}

/** What is deleted with a picture, in a sentence or two. */
export function goneWords({ url, renditions, completedAt, pinned }: ImageRecord): string {
  const count = renditions.length;
  const files = [
    'its record',
    ...(url === null ? [] : ['the master']),
    ...(count === 0 ? [] : [count === 1 ? 'its rendition' : `its ${count} renditions`]),
    'everything that is kept of it',
  ];
  const list = `${files.slice(0, -1).join(', ')} and ${files.at(-1)}`;
  const running = completedAt === null ? ' It is being made: the call is cancelled first, and may be billed.' : '';
  return `${list.charAt(0).toUpperCase()}${list.slice(1)} are removed${pinned ? ', although it is pinned' : ''}.${running}`;
}
