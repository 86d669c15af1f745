import { useState } from 'preact/hooks';
import { usePage } from './state/page.ts';
import { useStore } from './state/store.ts';
import { Dialog } from './ui/dialog.ts';
import { html } from './ui/html.ts';

interface KeyDialogProps {
  readonly reason: 'missing' | 'refused';
}

/** Asks for an API key. It stands over the view, which keeps what was typed, and cannot be closed without one. */
export function KeyDialog({ reason }: KeyDialogProps) {
  const { session } = usePage();
  const [key, setKey] = useState('');
  const [isRemembered, setRemembered] = useState(false);
  const isUsable = /^[\x21-\x7e]+$/.test(key.trim());
  const submit = (event: Event) => {
    event.preventDefault();
    if (isUsable) session.use(key.trim(), isRemembered);
  };
  return html`<${Dialog} title="Enter your key" onClose=${() => {}}>
    <form onSubmit=${submit}>
      <p role=${reason === 'refused' ? 'alert' : undefined}>
        ${
          reason === 'refused'
            ? 'The service does not know this key. Check it, or ask the operator for one.'
            : 'This service asks for an API key. It is sent to this service only.'
        }
      </p>
      <label class="field">API key
        <input type="password" autocomplete="off" spellcheck=${false} required autofocus value=${key}
          onInput=${(event: InputEvent) => setKey((event.currentTarget as HTMLInputElement).value)} />
      </label>
      <label class="choice">
        <input type="checkbox" checked=${isRemembered} onChange=${() => setRemembered(!isRemembered)} />
        Remember on this device
      </label>
      <p class="muted small">Otherwise it is forgotten when this tab is closed.</p>
      <button class="primary" disabled=${!isUsable}>Use this key</button>
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
