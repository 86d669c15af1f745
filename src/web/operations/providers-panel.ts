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
    <ul class="providers">${providers.map(
      (provider) => html`<${Provider} key=${`${provider.name} ${provider.model}`} provider=${provider} />`,
    )}</ul>
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
    ${until !== undefined && html`<p>${describeWait(waitMs)}</p>`}
    <p class="small muted">${describeLimits(concurrency, perMinute)}</p>
    ${lastError && html`<p class="small">Last error, ${formatTime(lastError.at)}: ${lastError.detail}</p>`}
  </li>`;
}

function describeWait(ms: number): string {
  return ms > 0 ? `Tried again in ${formatDuration(Math.ceil(ms / 1000) * 1000)}.` : 'Tried again now.';
}

function describeLimits(concurrency: number | null, perMinute: number | null): string {
  const atATime = concurrency === null ? 'No limit on calls at a time' : `${countCalls(concurrency)} at a time`;
  return perMinute === null ? `${atATime}.` : `${atATime}, ${countCalls(perMinute)} a minute.`;
}

function countCalls(count: number): string {
  return count === 1 ? '1 call' : `${count} calls`;
}
