import type { Size } from '../../../core/domain/geometry.ts';
import { between, type Random } from './random.ts';

interface Point {
  readonly x: number;
  readonly y: number;
}

/** `wavePoints` as SVG path data. */
export function wave(size: Size, level: number, amplitude: number, random: Random): string {
  return smooth(wavePoints(size, level, amplitude, random));
}

/** A wave from the left edge to the right: three sines, the slowest the strongest. Wide pictures get more periods, up to twelve. */
export function wavePoints(
  { width, height }: Size,
  level: number,
  amplitude: number,
  random: Random,
): readonly Point[] {
  const waves = Math.min(12, Math.max(0.7, (0.7 * width) / height));
  const sines = [1, 0.45, 0.2].map((strength, index) => ({
    strength,
    turns: waves * (index + between(random, 0.7, 1.3)),
    phase: between(random, 0, 2 * Math.PI),
  }));
  const steps = Math.ceil(waves * 24);
  return Array.from({ length: steps + 1 }, (_, step) => {
    const share = step / steps;
    const swing = sines.reduce((sum, { strength, turns, phase }) => {
      return sum + strength * Math.sin(2 * Math.PI * turns * share + phase);
    }, 0);
    return { x: round(width * share), y: round(level + (amplitude * swing) / 1.65) };
  });
}

/** A Catmull-Rom curve through the points, as SVG path data. */
export function smooth(points: readonly Point[]): string {
  return points
    .map((point, index) => {
      const previous = points[index - 1];
      if (previous === undefined) return `M${point.x} ${point.y}`;
      const before = points[index - 2] ?? previous;
      const after = points[index + 1] ?? point;
      const [x1, y1] = [round(previous.x + (point.x - before.x) / 6), round(previous.y + (point.y - before.y) / 6)];
      const [x2, y2] = [round(point.x - (after.x - previous.x) / 6), round(point.y - (after.y - previous.y) / 6)];
      return `C${x1} ${y1} ${x2} ${y2} ${point.x} ${point.y}`;
    })
    .join('');
}

/** Rounds an SVG length to two decimals, which are precise enough and keep the document short. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
