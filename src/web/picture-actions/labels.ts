import { useEffect, useId, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import type { ImageRecord } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { announce } from '../ui/announce.ts';
import { Dialog } from '../ui/dialog.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { ActionButton } from './action-button.ts';
import { haveSameLabels, LABEL_LENGTH, MOST_LABELS, rebasedLabels, withLabel } from './label-changes.ts';
import { useAction } from './use-action.ts';

interface LabelsDialogProps {
  readonly record: ImageRecord;
  readonly onClose: () => void;
}

interface Base {
  readonly labels: readonly string[];
  readonly etag: string | null;
}

/**
 * Changes the labels of a picture, as they stood when the dialog was opened. Where they were changed elsewhere meanwhile, it says so, lays
 * what was changed here over them, and has it saved once more.
 */
export function LabelsDialog({ record: { mediaId, labels: shown }, onClose }: LabelsDialogProps) {
  const { service, images } = usePage();
  const id = useId();
  const [base, setBase] = useState<Base | null>(null);
  const [labels, setLabels] = useState(shown);
  const [text, setText] = useState('');
  const [isConflict, setConflict] = useState(false);
  const suggestions = useSuggestions(labels);
  const { run, isBusy, error } = useAction();
  const read = async (): Promise<Base> => {
    const { record, etag } = await service.read(mediaId);
    images.note(record);
    return { labels: record.labels, etag };
  };
  const open = () =>
    run(async () => {
      const found = await read();
      setBase(found);
      setLabels((edited) => [...rebasedLabels(shown, edited, found.labels)]);
    });
  useEffect(open, []);

  const add = (event: Event) => {
    event.preventDefault();
    setLabels([...withLabel(labels, text)]);
    setText('');
  };
  const save = () =>
    run(async () => {
      const wanted = [...withLabel(labels, text)];
      let from = base ?? (await read());
      for (;;) {
        try {
          const changed = await service.patch(mediaId, { labels: wanted }, from.etag);
          images.note(changed);
          announce('The labels are saved.');
          onClose();
          return;
        } catch (error) {
          if (!isPreconditionFailed(error)) throw error;
          const now = await read();
          const isOnlyAnotherChange = haveSameLabels(now.labels, from.labels);
          setBase(now);
          if (!isOnlyAnotherChange) {
            setLabels([...rebasedLabels(from.labels, labels, now.labels)]);
            setConflict(true);
            return;
          }
          from = now;
        }
      }
    });
  const isFull = labels.length >= MOST_LABELS;
  return html`<${Dialog} title="Labels" onClose=${onClose}>
    ${
      labels.length === 0
        ? html`<p class="muted">It has no labels.</p>`
        : html`<ul class="label-list">${labels.map(
            (label) =>
              html`<li key=${label}><span>${label}</span>
                <button type="button" class="quiet" onClick=${() => setLabels(labels.filter((one) => one !== label))}>
                  Remove<span class="visually-hidden"> ${label}</span>
                </button>
              </li>`,
          )}</ul>`
    }
    <form class="label-form" onSubmit=${add}>
      <label class="field" for=${`${id}-text`}>New label</label>
      <div class="label-entry">
        <input id=${`${id}-text`} list=${`${id}-list`} maxlength=${LABEL_LENGTH} autocomplete="off" autofocus value=${text}
          disabled=${isFull} onInput=${(event: InputEvent) => setText((event.currentTarget as HTMLInputElement).value)} />
        <button disabled=${isFull || text.trim() === ''}>Add</button>
      </div>
      <datalist id=${`${id}-list`}>${suggestions.map((label) => html`<option key=${label} value=${label}></option>`)}</datalist>
    </form>
    <div role="status">
      ${
        isConflict &&
        html`<p class="label-conflict">
          The labels were changed elsewhere meanwhile. What you changed is laid over them: look at them, and save again.
        </p>`
      }
      ${isFull && html`<p class="muted small">A picture has at most ${MOST_LABELS} labels.</p>`}
    </div>
    ${error !== null && html`<${ErrorNotice} error=${error} />`}
    <div class="dialog-actions">
      <${ActionButton} kind="primary" isOff=${isBusy} onClick=${save}>Save<//>
      <${ActionButton} onClick=${onClose}>Close<//>
    </div>
  <//>`;
}

/** The labels that other pictures have, without those that are there already; none where they cannot be read. */
function useSuggestions(labels: readonly string[]): readonly string[] {
  const { service } = usePage();
  const [all, setAll] = useState<readonly string[]>([]);
  useEffect(() => {
    service.labels().then(
      ({ items }) => setAll(items.map(({ label }) => label)),
      () => {},
    );
  }, []);
  return all.filter((label) => !labels.includes(label));
}

function isPreconditionFailed(error: unknown): boolean {
  return error instanceof ServiceError && error.problem?.status === 412;
}
