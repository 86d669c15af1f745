/** How numbers, lists and flags are written in settings. */

import { z } from 'zod';

/** What the variables of a table are once they are read. */
export type SettingsOf<Table extends z.core.$ZodShape> = z.output<z.ZodObject<Table>>;

/** A duration in seconds; fractions are allowed. */
export const seconds = (least: number, most = 86_400) => z.coerce.number().min(least).max(most);

/** A whole number. */
export const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

/** `true` or `false`. */
export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');

/** Items with commas between. */
export const list = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .string()
    .transform((value) => value.split(',').map((part) => part.trim()) as z.input<Item>[])
    .pipe(z.array(item));
