import { useEffect, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import type { Model, Preset } from '../service/types.ts';
import { goTo } from '../state/navigation.ts';
import { usePage } from '../state/page.ts';
import { may } from '../state/session.ts';
import { useStore } from '../state/store.ts';
import { announce } from '../ui/announce.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { DescriptionFields } from './description-fields.ts';
import { type Draft, isDescribed, toRequest } from './draft.ts';
import { errorsByField } from './field-errors.ts';
import { InputFields } from './input-fields.ts';
import { useLivePreview } from './live-preview.ts';
import { OptionFields } from './option-fields.ts';
import { PresetChoice } from './preset-choice.ts';
import { PreviewPanel } from './preview-panel.ts';
import { useSavedDraft } from './saved-draft.ts';
import { useSubmission } from './submission.ts';

const AGAIN_MS = 1000;

interface MakeProps {
  readonly from: string | null;
  readonly input: string | null;
}

/** The form for a new picture, with what it would send and cost beside it. */
export function Make({ from, input }: MakeProps) {
  const { session, images } = usePage();
  const state = useStore(session);
  const { draft, sendKey, change, clear, origin, error: originError } = useSavedDraft(from, input);
  const { presets, models, error: choicesError, readAgain } = useChoices();
  const mayMake = may(state, 'generate');
  const live = useLivePreview(mayMake ? draft : null);
  const submission = useSubmission();
  const preset = presets.find(({ name, id }) => draft.preset === name || draft.preset === id) ?? null;
  const errorOf = errorsByField(submission.error ?? live.error);
  // What was refused was another request.
  useEffect(submission.clearError, [sendKey]);
  const submit = async (event: Event) => {
    event.preventDefault();
    const record = await submission.submit({ draft, sendKey });
    if (record === null) return;
    images.note(record);
    announce('The picture is accepted, and is being made.');
    clear();
    goTo({ name: 'picture', mediaId: record.mediaId });
  };
  return html`
    <h1>${titleOf(from, input)}</h1>
    ${origin && html`<p class="muted">${describeOrigin(from, origin.prompt)}</p>`}
    ${originError && html`<${ErrorNotice} error=${originError} />`}
    ${choicesError !== null && html`<${ErrorNotice} error=${choicesError} onRetry=${readAgain} />`}
    <form class="make" onSubmit=${submit} noValidate>
      <div class="make-fields">
        <${DescriptionFields} draft=${draft} change=${change} preset=${preset} errorOf=${errorOf} />
        <${PresetChoice} presets=${presets} value=${draft.preset} error=${errorOf('preset')}
          onChange=${(name: string) => change({ preset: name })} />
        <${InputFields} draft=${draft} change=${change} errorOf=${errorOf} />
        <${OptionFields} draft=${draft} change=${change} preset=${preset} models=${models} errorOf=${errorOf} />
      </div>
      <div class="make-side">
        <${PreviewPanel} ...${live} wanted=${toRequest(draft).size ?? preset?.size ?? null}
          isOffered=${mayMake || state.identity === null} />
        ${submission.error && html`<${ErrorNotice} error=${submission.error} />`}
        <div class="make-actions">
          <button class="primary" aria-describedby="make-state"
            disabled=${!mayMake || !isDescribed(draft) || submission.state !== 'idle'}>Make</button>
          <button type="button" class="quiet" onClick=${clear}>Clear the form</button>
        </div>
        <p id="make-state" class="small muted" role="status">${describeState(submission.state, mayMake, draft, state.identity !== null)}</p>
      </div>
    </form>
  `;
}

function titleOf(from: string | null, input: string | null): string {
  if (from !== null) return 'Make it again with changes';
  return input === null ? 'Make a picture' : 'Edit a picture';
}

function describeOrigin(from: string | null, prompt: string): string {
  const short = prompt.length > 120 ? `${prompt.slice(0, 120)} …` : prompt;
  return from === null ? `Starts from: ${short}` : `As it was asked for: ${short}`;
}

function describeState(
  state: 'idle' | 'sending' | 'waiting',
  mayMake: boolean,
  draft: Draft,
  isKnown: boolean,
): string {
  if (state === 'sending') return 'Sending …';
  if (state === 'waiting')
    return 'The service cannot be reached. It is sent again as soon as it is back, and paid once.';
  if (isKnown && !mayMake) return 'This key may not make pictures: it lacks the scope generate.';
  return isDescribed(draft) ? '' : 'Say what to show first.';
}

interface Choices {
  readonly presets: readonly Preset[];
  readonly models: readonly Model[];
  /** Null for none; while the service is not there, it is waited for. */
  readonly error: ServiceError | null;
}

function useChoices(): Choices & { readonly readAgain: () => void } {
  const { service, connection } = usePage();
  const [choices, setChoices] = useState<Choices>({ presets: [], models: [], error: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const left = new AbortController();
    const read = async () => {
      try {
        await connection.whenBack(left.signal);
        const [presets, models] = await Promise.all([service.presets(), service.models()]);
        setChoices({ presets: presets.items, models: models.items, error: null });
      } catch (error) {
        if (left.signal.aborted || !(error instanceof ServiceError)) return;
        if (error.problem !== null) setChoices((before) => ({ ...before, error }));
        else setTimeout(() => setRound((before) => before + 1), AGAIN_MS);
      }
    };
    void read();
    return () => left.abort();
  }, [round]);
  return { ...choices, readAgain: () => setRound((before) => before + 1) };
}
