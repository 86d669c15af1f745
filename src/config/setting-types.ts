/** How numbers, lists and flags are written in settings. */

import { z } from 'zod';

export const seconds = (least: number, most = 86_400) => z.coerce.number().min(least).max(most);

export const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');

/** Commas between. */
export const list = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .string()
    .transform((value) => value.split(',').map((part) => part.trim()) as z.input<Item>[])
    .pipe(z.array(item));
