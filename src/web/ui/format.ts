/** How numbers and times are written. */

const bytesFormat = (unit: string, digits: number) =>
  new Intl.NumberFormat('en', { style: 'unit', unit, maximumFractionDigits: digits });
const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];

/** Bytes as `2.1 MB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1);
  return bytesFormat(UNITS[power] ?? 'byte', power === 0 ? 0 : 1).format(bytes / 1000 ** power);
}

/** US dollars as `$0.152`; null, where it is not known, as words. */
export function formatUsd(usd: number | null): string {
  if (usd === null) return 'cost unknown';
  const digits = usd !== 0 && usd < 1 ? 4 : 2;
  const options = {
    style: 'currency',
    currency: 'USD',
    minimumFractionDigits: 2,
    maximumFractionDigits: digits,
  } as const;
  return new Intl.NumberFormat('en', options).format(usd);
}

/** Milliseconds as `40 ms`, `0.4 s`, `12 s`, `3 min 05 s` or `2 h 07 min`. */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms < 100) return `${Math.max(1, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${pad(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** An ISO time in the reader's zone and manner. */
export function formatTime(iso: string): string {
  return dateFormat.format(new Date(iso));
}
