import type { Aim, Figure } from '../support/results.ts';

/** A figure in a table or at an axis: three digits or, of a whole number, all of them. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Number.isInteger(value) || Math.abs(value) >= 100) {
    return Math.round(value).toLocaleString('en-US');
  }
  const digits = Math.max(1, Math.ceil(Math.log10(Math.abs(value))));
  return String(Number(value.toFixed(Math.min(6, Math.abs(value) < 1 ? leadingZeros(value) + 2 : 3 - digits))));
}

/** An aim, and whether it was met. */
export function formatAim(value: number, unit: string, aim: Aim): string {
  const [words, bound, met] =
    'atLeast' in aim
      ? (['at least', aim.atLeast, value >= aim.atLeast] as const)
      : (['at most', aim.atMost, value <= aim.atMost] as const);
  return `${words} ${withUnit(bound, unit)}: ${met && Number.isFinite(value) ? 'met' : 'missed'}`;
}

/** A value with its unit. */
export function withUnit(value: number, unit: Figure['unit']): string {
  return `${formatFigure(value)}${unit === '' ? '' : ` ${unit}`}`;
}

/** How many zeros follow the point of a number below 1. */
function leadingZeros(value: number): number {
  return value === 0 ? 0 : Math.max(0, -Math.floor(Math.log10(Math.abs(value))) - 1);
}
