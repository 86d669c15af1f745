import type { ImageRecord } from '../service/types.ts';
import { formatDuration, formatTime, formatUsd } from '../ui/format.ts';
import { type Children, html } from '../ui/html.ts';
import { useNow } from '../ui/now.ts';
import { OUTCOME_WORDS } from '../ui/words.ts';
import { type TimelineEntry, timelineOf } from './attempts.ts';
import { Panel } from './fact-list.ts';
import { httpWords } from './words.ts';

/** The time of day with its seconds: calls follow each other within one. */
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

const ENDED_WORDS = { succeeded: 'Done', failed: 'Ended without a picture', cancelled: 'Cancelled' } as const;

/** Every call with its outcome, and the waits between them. */
export function Timeline({ record }: { readonly record: ImageRecord }) {
  const isRunning = record.attempts.some(({ outcome }) => outcome === 'running');
  const now = useNow(isRunning);
  return html`<${Panel} title="Timeline">
    <ol class="timeline">${timelineOf(record).map(
      (entry, index) => html`<li key=${index} class=${classOf(entry)}>${describe(entry, now)}</li>`,
    )}</ol>
  <//>`;
}

function classOf(entry: TimelineEntry): string {
  if (entry.kind === 'call') return `event event-${entry.attempt.outcome}`;
  return entry.kind === 'ended' ? `event event-${entry.status}` : `event event-${entry.kind}`;
}

function describe(entry: TimelineEntry, now: number): Children {
  switch (entry.kind) {
    case 'accepted':
      return html`<p>Asked for <time class="muted" datetime=${entry.at}>${formatTime(entry.at)}</time></p>`;
    case 'wait':
      return html`<p class="muted small">${formatDuration(entry.ms)} of waiting</p>`;
    case 'omitted':
      return html`<p>${entry.count === 1 ? 'One earlier call' : `${entry.count} earlier calls`}, together ${formatUsd(entry.usd)}</p>`;
    case 'call':
      return describeCall(entry, now);
    case 'ended':
      return html`<p>${ENDED_WORDS[entry.status]} <time class="muted" datetime=${entry.at}>${formatTime(entry.at)}</time></p>`;
  }
}

function describeCall({ attempt, as }: Extract<TimelineEntry, { kind: 'call' }>, now: number): Children {
  const { provider, startedAt, durationMs, outcome } = attempt;
  const tookMs = durationMs ?? (outcome === 'running' ? Math.max(0, now - Date.parse(startedAt)) : null);
  const answer = httpWords(attempt);
  const kind = as === 'first' ? '' : as === 'retry' ? 'Tried again. ' : 'Another provider. ';
  return html`
    <p>${kind}The call to <strong>${provider}</strong> ${OUTCOME_WORDS[outcome]}.</p>
    <p class="muted small">
      <time datetime=${startedAt}>${clock.format(new Date(startedAt))}</time>,${' '}
      ${tookMs === null ? 'its end was not seen' : formatDuration(tookMs)}.${answer && ` ${answer}.`}
    </p>`;
}
