/** The text notation of sizes, renditions and ages in requests and settings, as zod schemas that parse it. */

import { z } from 'zod';
import { RENDITION_FORMATS, type RenditionFormat, type RenditionSpec } from '../domain/formats.ts';
import type { Size } from '../domain/geometry.ts';

/** Shortest and longest side in pixels, for every model: smaller pictures show nothing, larger ones are not safe to decode. */
export const SIDE_LIMITS = { min: 16, max: 4096 } as const;

const SIZE = /^(\d{1,9})x(\d{1,9})$/;

/** Parses `1792x1024` in pixels, each side within `SIDE_LIMITS`. */
export const sizeText = z
  .string()
  .regex(SIZE, 'must be WIDTHxHEIGHT in pixels with the letter x between, such as 1792x1024')
  .transform((value, context): Size => {
    const [width = 0, height = 0] = value.split('x').map(Number);
    const message = sideError({ width, height });
    if (message !== null) context.addIssue({ code: 'custom', message });
    return { width, height };
  });

const RENDITION = new RegExp(`^(\\d{1,9})x(\\d{1,9})\\.(${RENDITION_FORMATS.join('|')})$`);

/** Parses `1200x675.png` in pixels, each side within `SIDE_LIMITS`. */
export const renditionText = z
  .string()
  .regex(RENDITION, `must be WIDTHxHEIGHT.FORMAT with ${RENDITION_FORMATS.join(', ')}, such as 1200x675.png`)
  .transform((value, context): RenditionSpec => {
    const [, width, height, format] = RENDITION.exec(value) ?? [];
    const spec = { width: Number(width), height: Number(height), format: format as RenditionFormat };
    const message = sideError(spec);
    if (message !== null) context.addIssue({ code: 'custom', message });
    return spec;
  });

function sideError({ width, height }: Size): string | null {
  const isLegal = [width, height].every((side) => side >= SIDE_LIMITS.min && side <= SIDE_LIMITS.max);
  return isLegal
    ? null
    : `each side must be ${SIDE_LIMITS.min} to ${SIDE_LIMITS.max} pixels, this is ${width} by ${height}`;
}

const AGE = /^(\d{1,6})([smhd])$/;
const MS_PER_UNIT: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses `30d`, a whole number and s, m, h or d, to milliseconds. */
export const ageText = z
  .string()
  .regex(AGE, 'must be a number and s, m, h or d, such as 30d')
  .transform((value) => Number(value.slice(0, -1)) * (MS_PER_UNIT[value.slice(-1)] ?? Number.NaN));
