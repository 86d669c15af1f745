/** Line charts as SVG files that GitHub shows: without scripts, fonts of their own, or a background. */

import type { Axis, Chart } from '../support/results.ts';
import { createScale, type Scale } from './scale.ts';

const WIDTH = 820;
const HEIGHT = 400;
const PLOT = { left: 64, right: 540, top: 44, bottom: 352 };
const NAME_HEIGHT = 15;

/** Greys and hues of middle lightness, which read alike on white and on GitHub's dark pages (at least 3:1 on both). */
const TEXT = '#6e7781';
const GRID = '#8c959f';
const HUES = ['#0b7fd4', '#d9622b', '#1a8f4c', '#a457d6', '#c23b72', '#8a7a00', '#188a94', '#7d6f64'];
/** A second sign beside the hue, for readers who do not tell hues apart. */
const DASHES = ['none', '6 3', '2 3', '8 3 2 3'];

/** The chart as the text of an SVG file. Points that a logarithmic axis cannot show, those of 0 or less, are left out. */
export function lineChart({ title, x, y, series }: Chart): string {
  const shown = series.map(({ name, points }) => ({
    name,
    points: points.filter(([a, b]) => fits(x, a) && fits(y, b)).toSorted(([a], [b]) => a - b),
  }));
  const points = shown.flatMap((line) => line.points);
  const across = createScale(
    x,
    points.map(([value]) => value),
    [PLOT.left, PLOT.right],
  );
  const up = createScale(
    y,
    points.map(([, value]) => value),
    [PLOT.bottom, PLOT.top],
  );
  const lines = shown.map(({ name, points }, index) => {
    const places = points.map(([a, b]) => ({ x: across.at(a), y: up.at(b) }));
    return { name, places, hue: HUES[index % HUES.length] ?? TEXT, dash: DASHES[index % DASHES.length] ?? 'none' };
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" font-family="sans-serif" font-size="12" fill="${TEXT}">`,
    `  <title>${escaped(title)}</title>`,
    `  <text x="${PLOT.left}" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    ...horizontalGrid(up),
    ...verticalGrid(across),
    `  <text x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escaped(x.label)}</text>`,
    `  <text x="14" y="${(PLOT.top + PLOT.bottom) / 2}" text-anchor="middle" transform="rotate(-90 14 ${(PLOT.top + PLOT.bottom) / 2})">${escaped(y.label)}</text>`,
    ...lines.flatMap(drawLine),
    ...drawNames(lines),
    '</svg>',
  ].join('\n')}\n`;
}

interface Line {
  readonly name: string;
  readonly places: readonly { readonly x: number; readonly y: number }[];
  readonly hue: string;
  readonly dash: string;
}

function fits({ scale }: Axis, value: number): boolean {
  return Number.isFinite(value) && (scale === 'linear' || value > 0);
}

function horizontalGrid(scale: Scale): readonly string[] {
  return scale.ticks.flatMap(({ at, label }) => [
    `  <line x1="${PLOT.left}" x2="${PLOT.right}" y1="${fixed(at)}" y2="${fixed(at)}" stroke="${GRID}" stroke-opacity="0.35"/>`,
    `  <text x="${PLOT.left - 8}" y="${fixed(at + 4)}" text-anchor="end">${label}</text>`,
  ]);
}

function verticalGrid(scale: Scale): readonly string[] {
  return scale.ticks.flatMap(({ at, label }) => [
    `  <line x1="${fixed(at)}" x2="${fixed(at)}" y1="${PLOT.top}" y2="${PLOT.bottom}" stroke="${GRID}" stroke-opacity="0.2"/>`,
    `  <text x="${fixed(at)}" y="${PLOT.bottom + 18}" text-anchor="middle">${label}</text>`,
  ]);
}

function drawLine({ places, hue, dash }: Line): readonly string[] {
  const path = places.map(({ x, y }) => `${fixed(x)},${fixed(y)}`).join(' ');
  const dashes = dash === 'none' ? '' : ` stroke-dasharray="${dash}"`;
  return [
    `  <polyline points="${path}" fill="none" stroke="${hue}" stroke-width="2"${dashes}/>`,
    ...places.map(({ x, y }) => `  <circle cx="${fixed(x)}" cy="${fixed(y)}" r="3" fill="${hue}"/>`),
  ];
}

/** Each line's name beside its end, moved down, then up again from the bottom, so that none covers another. */
function drawNames(lines: readonly Line[]): readonly string[] {
  const ends = lines
    .flatMap((line) => {
      const end = line.places.at(-1);
      return end === undefined ? [] : [{ line, end, at: end.y }];
    })
    .sort((one, other) => one.at - other.at);
  for (const [index, name] of ends.entries()) name.at = Math.max(name.at, (ends[index - 1]?.at ?? 0) + NAME_HEIGHT);
  let below = PLOT.bottom + NAME_HEIGHT;
  for (const name of ends.toReversed()) {
    name.at = Math.min(name.at, below - NAME_HEIGHT);
    below = name.at;
  }
  return ends.flatMap(({ line, end, at }) => [
    `  <line x1="${fixed(end.x + 5)}" y1="${fixed(end.y)}" x2="${PLOT.right + 16}" y2="${fixed(at)}" stroke="${line.hue}" stroke-opacity="0.5"/>`,
    `  <text x="${PLOT.right + 20}" y="${fixed(at + 4)}" fill="${line.hue}">${escaped(line.name)}</text>`,
  ]);
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
