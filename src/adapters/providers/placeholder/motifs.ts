import type { Size } from '../../../core/domain/geometry.ts';
import { round, smooth, wave, wavePoints } from './curves.ts';
import type { Palette } from './palette.ts';
import { between, type Random } from './random.ts';

/** Hills behind hills under a low sun, as SVG elements. */
export function dunes(size: Size, palette: Palette, random: Random): string {
  const { width, height } = size;
  const layers = 6;
  const sun = disc(
    width * between(random, 0.2, 0.8),
    height * between(random, 0.22, 0.42),
    Math.min(width, height) * between(random, 0.1, 0.17),
    palette,
  );
  const hills = Array.from({ length: layers }, (_, layer) => {
    const depth = layer / (layers - 1);
    const level = height * (0.42 + 0.46 * depth);
    const ridge = wave(size, level, height * (0.05 + 0.06 * depth), random);
    return `<linearGradient id="hill${layer}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${palette.layer(depth)}"/>
<stop offset="1" stop-color="${palette.layer(Math.min(1, depth + 0.3))}"/></linearGradient>
<path d="${ridge} V${height} H0 Z" fill="url(#hill${layer})"/>
<path d="${ridge}" fill="none" stroke="${palette.accent}"
  stroke-opacity="${round(0.45 - 0.35 * depth)}" stroke-width="${round(Math.min(width, height) / 500)}"/>`;
  });
  return sun + hills.join('');
}

/** Translucent discs, some with rings, around a sun, as SVG elements. */
export function orbits({ width, height }: Size, palette: Palette, random: Random): string {
  const short = Math.min(width, height);
  const long = Math.max(width, height);
  const count = Math.min(28, Math.round(6 + (3 * long) / short));
  const discs = Array.from({ length: count }, (_, index) => {
    const radius = round(short * between(random, 0.1, 0.42));
    const x = round(width * ((index + between(random, 0.1, 0.9)) / count));
    const y = round(height * between(random, 0.1, 0.9));
    const colour = palette.layer(random());
    const turn = Math.round(between(random, 0, 360));
    const rings = [1.12, 1.24, 1.36].map(
      (factor, ring) =>
        `<circle cx="${x}" cy="${y}" r="${round(radius * factor)}" fill="none" stroke="${palette.accent}" ` +
        `stroke-opacity="${round(0.3 - 0.08 * ring)}" stroke-width="${round(short / 600)}"/>`,
    );
    return `<linearGradient id="disc${index}" gradientTransform="rotate(${turn} 0.5 0.5)">
<stop offset="0" stop-color="${colour}" stop-opacity="0.9"/>
<stop offset="1" stop-color="${palette.glow(random())}" stop-opacity="0.08"/></linearGradient>
<circle cx="${x}" cy="${y}" r="${radius}" fill="url(#disc${index})"/>${random() < 0.4 ? rings.join('') : ''}`;
  });
  const sun = disc(width * between(random, 0.25, 0.75), height * between(random, 0.3, 0.7), short * 0.09, palette);
  return discs.join('') + sun;
}

/** Sheets of fine lines between two waves, under a sun, as SVG elements. */
export function ribbons(size: Size, palette: Palette, random: Random): string {
  const { width, height } = size;
  const short = Math.min(width, height);
  const sheets = [0, 1, 2].map((sheet) => {
    const level = height * (0.3 + 0.2 * sheet);
    const from = wavePoints(size, level - height * 0.12, height * 0.16, random);
    const to = wavePoints(size, level + height * between(random, 0.14, 0.3), height * 0.2, random);
    const lines = Math.max(4, Math.min(26, Math.round(short / 20)));
    const gradient = `<linearGradient id="sheet${sheet}" gradientUnits="userSpaceOnUse" x1="0" y1="0" x2="${width}" y2="0">
<stop offset="0" stop-color="${palette.layer(0.2 * sheet)}"/><stop offset="0.5" stop-color="${palette.accent}"/>
<stop offset="1" stop-color="${palette.layer(0.5 + 0.25 * sheet)}"/></linearGradient>`;
    const body = `<path d="${smooth(from)} L${to.at(-1)?.x} ${to.at(-1)?.y} ${smooth([...to].reverse()).replace('M', 'L')} Z"
  fill="url(#sheet${sheet})" fill-opacity="0.35"/>`;
    const strokes = Array.from({ length: lines }, (_, line) => {
      const share = line / (lines - 1);
      const points = from.map(({ x, y }, index) => ({ x, y: round(y + ((to[index]?.y ?? y) - y) * share) }));
      return `<path d="${smooth(points)}" fill="none" stroke="url(#sheet${sheet})"
  stroke-opacity="${round(0.85 - 0.5 * share)}" stroke-width="${round(Math.max(0.4, short / 700))}"/>`;
    });
    return gradient + body + strokes.join('');
  });
  const sun = disc(width * between(random, 0.2, 0.8), height * between(random, 0.2, 0.4), short * 0.12, palette);
  return sun + sheets.join('');
}

/** The sun: a disc with a halo of three times its radius. */
function disc(x: number, y: number, radius: number, palette: Palette): string {
  const [cx, cy, r] = [round(x), round(y), round(radius)];
  return `<radialGradient id="halo" gradientUnits="userSpaceOnUse" cx="${cx}" cy="${cy}" r="${round(radius * 3)}">
<stop offset="0.3" stop-color="${palette.accent}" stop-opacity="0.5"/>
<stop offset="1" stop-color="${palette.accent}" stop-opacity="0"/></radialGradient>
<circle cx="${cx}" cy="${cy}" r="${round(radius * 3)}" fill="url(#halo)"/>
<circle cx="${cx}" cy="${cy}" r="${r}" fill="${palette.accent}"/>`;
}
