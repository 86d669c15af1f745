import { ServiceError } from '../service/service-error.ts';
import { formatDuration } from './format.ts';
import { type Children, html } from './html.ts';
import { explainError, nameField } from './words.ts';

interface NoticeProps {
  readonly title: string;
  readonly kind?: 'plain' | 'error';
  /** The first heading of a view is 1; a notice inside of one has 2 or 3. */
  readonly level?: 1 | 2 | 3;
  readonly children?: Children;
}

/** What stands where there is nothing to show: an empty list, or an error with what to do. */
export function Notice({ title, kind = 'plain', level = 2, children }: NoticeProps) {
  return html`<section class=${`notice notice-${kind}`} role=${kind === 'error' ? 'alert' : undefined}>
    <${`h${level}`}>${title}<//>
    ${children}
  </section>`;
}

interface ErrorNoticeProps {
  readonly error: unknown;
  readonly onRetry?: (() => void) | undefined;
}

/** Why something could not be read or done, in words, with the service's own sentence and what to do. */
export function ErrorNotice({ error, onRetry }: ErrorNoticeProps) {
  const failure = error instanceof ServiceError ? error : new ServiceError(null);
  const { title, advice } = explainError(failure);
  const { problem, retryAfterSeconds } = failure;
  return html`<${Notice} title=${title} kind="error">
    ${problem && html`<p>${problem.detail}</p>`}
    ${
      problem?.errors &&
      html`<ul>${problem.errors.map(
        ({ path, message }) => html`<li><strong>${nameField(path)}:</strong> ${message}</li>`,
      )}</ul>`
    }
    <p>${advice}${retryAfterSeconds !== null && ` The service takes it again in ${formatDuration(1000 * retryAfterSeconds)}.`}</p>
    ${problem && html`<p class="muted small">Request ${problem.requestId}</p>`}
    ${onRetry && html`<button type="button" onClick=${onRetry}>Try again</button>`}
  <//>`;
}
