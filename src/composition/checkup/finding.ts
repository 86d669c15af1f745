/** What a check of an installation found, from best to worst. */
export type Verdict = 'ok' | 'warning' | 'fails';

/** One line of `easel doctor`. */
export interface Finding {
  readonly subject: string;
  readonly verdict: Verdict;
  /** What there is, and where something is wrong what to do about it, with the variable to set. */
  readonly detail: string;
}

/** Findings one after the other, each as soon as it is there. */
export type Findings = AsyncGenerator<Finding, void>;

export const ok = (subject: string, detail: string): Finding => ({ subject, verdict: 'ok', detail });
export const warning = (subject: string, detail: string): Finding => ({ subject, verdict: 'warning', detail });
export const fails = (subject: string, detail: string): Finding => ({ subject, verdict: 'fails', detail });

/** The most that the clock may be off before something is refused, in seconds: webhooks by their receivers. */
const REFUSED_SECONDS = 300;
const NOTICED_SECONDS = 10;

/** What the time of another machine, in seconds by which it is ahead of ours, says about our clock. */
export function clockFinding(offset: { readonly host: string; readonly seconds: number } | null): Finding {
  if (offset === null) return ok('clock', 'is not compared: no other machine was asked');
  const { host, seconds } = offset;
  const off = Math.abs(seconds);
  if (off < NOTICED_SECONDS) return ok('clock', `agrees with that of ${host}`);
  const detail =
    `is ${Math.round(off)} s ${seconds > 0 ? 'behind' : 'ahead of'} that of ${host}; ` +
    'switch on time synchronisation (NTP): signed URLs, webhooks and S3 go by it';
  return off < REFUSED_SECONDS ? warning('clock', detail) : fails('clock', detail);
}

/** Seconds by which the `Date` of an answer is ahead of our clock; null without one. `askedAt` is in milliseconds since 1970. */
export function clockOffset(date: string | null, askedAt: number): number | null {
  const theirs = Date.parse(date ?? '');
  // The header has whole seconds, cut off, and was written some time between the question and now.
  return Number.isNaN(theirs) ? null : (theirs + 500 - (askedAt + Date.now()) / 2) / 1000;
}
