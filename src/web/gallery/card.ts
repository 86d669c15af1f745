import { hashOf } from '../state/places.ts';
import { formatTime, formatUsd } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { STATUS_WORDS } from '../ui/words.ts';
import { CardPicture } from './card-picture.ts';
import { isRunning, type Summary } from './summary.ts';

interface CardProps {
  readonly summary: Summary;
  /** From 1. */
  readonly position: number;
  /** Of the list; -1 while it is not known. */
  readonly setSize: number;
  /** Whether Tab stops here: at one card of the grid, from which the arrow keys go on. */
  readonly isTabStop: boolean;
  readonly onLost: (mediaId: string) => void;
}

/** One picture of the gallery, as one link. Its text is its name and begins with the title; the picture stands above on the screen only. */
export function Card({ summary, position, setSize, isTabStop, onLost }: CardProps) {
  const { mediaId, title, status, width, height, usd, labels, isPinned } = summary;
  const isMade = isRunning(status);
  // What a picture that is being made may cost is not its cost yet.
  const cost = isMade || usd === 0 ? '' : formatUsd(usd);
  const facts = [`${width} × ${height}`, cost, labels.join(', ')];
  return html`<li class=${`card card-${status}`} aria-posinset=${position} aria-setsize=${setSize}>
    <a href=${hashOf({ name: 'picture', mediaId })} data-media-id=${mediaId} tabindex=${isTabStop ? 0 : -1}>
      <span class="card-text">
        <span class="card-title" dir="auto">${title}</span>
        <span class="card-line">${
          // The picture's place has the words on the screen.
          html`<span class=${isMade ? 'visually-hidden' : 'card-status'}>${STATUS_WORDS[status]}</span>`
        }${stageOf(summary)}</span>
        <span class="card-line">${facts.filter((fact) => fact !== '').join(' · ')}</span>
      </span>
      <span class="card-picture">
        <${CardPicture} summary=${summary} onLost=${() => onLost(mediaId)} />
        ${isPinned && html`<span class="card-pin">Pinned</span>`}
      </span>
    </a>
  </li>`;
}

/** When it was made, or how far it is. */
function stageOf({ status, createdAt, completedAt, queuePosition, provider, calls }: Summary) {
  if (status === 'queued') return queuePosition === null ? '' : ` ${placeInQueue(queuePosition)}`;
  if (isRunning(status)) return ` By ${provider}${calls > 1 ? `, call ${calls}` : ''}`;
  const at = completedAt ?? createdAt;
  return html` · <time datetime=${at} title=${formatTime(at)}>${formatMoment(at)}</time>`;
}

function placeInQueue(position: number): string {
  return position === 1 ? 'Next in the queue' : `Number ${position} in the queue`;
}

const timeFormat = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const yearFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });

/** The time of today, the day of this year, else the date: as short as it is clear. */
function formatMoment(iso: string): string {
  const moment = new Date(iso);
  const today = new Date();
  if (moment.toDateString() === today.toDateString()) return timeFormat.format(moment);
  return (moment.getFullYear() === today.getFullYear() ? dayFormat : yearFormat).format(moment);
}

/** The place of a card that is not read yet. */
export function EmptyCard() {
  return html`<li class="card card-empty" aria-hidden="true">
    <span class="card-picture"></span><span class="card-text"></span>
  </li>`;
}
