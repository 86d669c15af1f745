/** Schemas for the kinds of values that settings share: durations, numbers, flags, lists. */

import { z } from 'zod';

/** The parsed values of a table of variables. */
export type SettingsOf<Table extends z.core.$ZodShape> = z.output<z.ZodObject<Table>>;

/** A duration in seconds, from `least` to `most` (a day by default); fractions are allowed. */
export const seconds = (least: number, most = 86_400) => z.coerce.number().min(least).max(most);

/** A whole number from `least` to `most`. */
export const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

/** `true` or `false`. */
export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');

/** Items separated by commas; spaces around them are dropped. */
export const list = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .string()
    .transform((value) => value.split(',').map((part) => part.trim()) as z.input<Item>[])
    .pipe(z.array(item));
