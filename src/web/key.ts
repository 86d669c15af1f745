import { useEffect, useRef, useState } from 'preact/hooks';
import { usePage } from './state/page.ts';
import type { SessionState } from './state/session.ts';
import { useStore } from './state/store.ts';
import { Dialog } from './ui/dialog.ts';
import { html } from './ui/html.ts';

const REASONS: Readonly<Record<NonNullable<SessionState['asking']>, string>> = {
  missing: 'This service asks for an API key. It is sent to this service only.',
  refused: 'The service does not know this key. Check it, or ask the operator for one.',
  forgotten: 'The key is forgotten. Enter one to go on.',
};

/** Asks for an API key. It stands over the view, which keeps what was typed, and stays until the service takes one. */
export function KeyDialog() {
  const { session } = usePage();
  const { asking, isChecking } = useStore(session);
  const field = useRef<HTMLInputElement>(null);
  const [key, setKey] = useState('');
  const [isRemembered, setRemembered] = useState(false);
  const trimmed = key.trim();
  const isUsable = /^[\x21-\x7e]+$/.test(trimmed);
  const isRefused = asking === 'refused' && !isChecking;
  useEffect(() => {
    // What was refused is typed over.
    if (isRefused) field.current?.select();
  }, [isRefused]);
  const submit = (event: Event) => {
    event.preventDefault();
    if (isUsable && !isChecking) session.use(trimmed, isRemembered);
  };
  return html`<${Dialog} title="Enter your key" onClose=${() => {}}>
    <form onSubmit=${submit}>
      ${
        isRefused
          ? html`<p id="key-reason" key="refused" class="field-error" role="alert">${REASONS.refused}</p>`
          : html`<p id="key-reason" key="asked">${REASONS[asking === 'refused' ? 'missing' : (asking ?? 'missing')]}</p>`
      }
      <label class="field">API key
        <input ref=${field} type="password" autocomplete="off" spellcheck=${false} required autofocus value=${key}
          aria-describedby="key-reason" aria-invalid=${isRefused ? 'true' : undefined}
          onInput=${(event: InputEvent) => setKey((event.currentTarget as HTMLInputElement).value)} />
      </label>
      ${trimmed !== '' && !isUsable && html`<p class="field-error">A key has no spaces, and letters of English only.</p>`}
      <label class="choice">
        <input type="checkbox" checked=${isRemembered} onChange=${() => setRemembered(!isRemembered)} />
        Remember on this device
      </label>
      <p class="muted small">Otherwise it is forgotten when this tab is closed.</p>
      <button class="primary" disabled=${!isUsable || isChecking}>${isChecking ? 'Checking …' : 'Use this key'}</button>
    </form>
  <//>`;
}

/** Who the page acts as, and "Forget key". */
export function KeyMenu() {
  const { session } = usePage();
  const { key, identity } = useStore(session);
  if (key === null) return null;
  return html`<div class="key-menu">
    ${identity?.keysInUse && html`<span class="muted small">Key ${identity.name}</span>`}
    <button type="button" class="quiet" onClick=${session.forget}>Forget key</button>
  </div>`;
}
