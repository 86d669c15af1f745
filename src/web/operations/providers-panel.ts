import type { ProviderReport } from '../service/types.ts';
import { formatDuration, formatTime } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { useNow } from '../ui/now.ts';
import { Panel } from './panel.ts';

interface StateWords {
  readonly word: string;
  readonly kind: 'good' | 'warn' | 'bad';
  readonly means: string;
}

const STATES: Readonly<Record<ProviderReport['state'], StateWords>> = {
  closed: { word: 'Works', kind: 'good', means: 'Calls go through.' },
  half_open: {
    word: 'Being tried',
    kind: 'warn',
    means: 'The circuit breaker lets one call through to see whether it works again.',
  },
  open: { word: 'Down', kind: 'bad', means: 'The circuit breaker is open: nothing is sent until the next try.' },
  paused: { word: 'Paused', kind: 'warn', means: 'It asked to wait; jobs wait with it.' },
};

/** Each provider with its circuit breaker, its limits and its last error. */
export function ProvidersPanel({ providers }: { readonly providers: readonly ProviderReport[] }) {
  return html`<${Panel} title="Providers" isWide>
    <ul class="providers">${providers.map((provider) => html`<${Provider} key=${`${provider.name} ${provider.model}`} provider=${provider} />`)}</ul>
  <//>`;
}

function Provider({ provider }: { readonly provider: ProviderReport }) {
  const { name, model, state, since, until, concurrency, perMinute, lastError } = provider;
  const { word, kind, means } = STATES[state];
  const now = useNow(until !== undefined);
  const waitMs = until === undefined ? 0 : Date.parse(until) - now;
  return html`<li>
    <h3>${name} <span class="muted">${model}</span></h3>
    <p><span class=${`state state-${kind}`}>${word}</span> since ${formatTime(since)}. <span class="muted">${means}</span></p>
    ${until !== undefined && html`<p>${waitMs > 0 ? `Tried again in ${formatDuration(waitMs)}.` : 'Tried again now.'}</p>`}
    <p class="small muted">${concurrency} ${concurrency === 1 ? 'call' : 'calls'} at a time${perMinute === null ? '' : `, ${perMinute} a minute`}.</p>
    ${lastError && html`<p class="small">Last error, ${formatTime(lastError.at)}: ${lastError.detail}</p>`}
  </li>`;
}
