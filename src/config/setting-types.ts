/** Schemas for the kinds of values that settings share: durations, numbers, flags, choices, lists. */

import { z } from 'zod';
import { oneOf } from '../core/domain/text/allowed-values.ts';

/** The parsed values of a table of variables. */
export type SettingsOf<Table extends z.core.$ZodShape> = z.output<z.ZodObject<Table>>;

/** `schema` with the words for the values that it takes, which `allowedValues` gives back. */
export const taking = <Schema extends z.ZodType>(allowed: string, schema: Schema): Schema => schema.meta({ allowed });

/** The values that a setting takes, in words such as `true or false`; null where its description alone says it. */
export function allowedValues(setting: z.core.$ZodType): string | null {
  const { allowed } = z.globalRegistry.get(setting) ?? {};
  if (typeof allowed === 'string') return allowed;
  const { innerType } = setting._zod.def as { readonly innerType?: z.core.$ZodType };
  return innerType === undefined ? null : allowedValues(innerType);
}

/** A number from `least` to `most` in a text that matches `notation`. `allowed` says both in words. */
function numberText(notation: RegExp, least: number, most: number, allowed: string) {
  const schema = z.string().transform((text, context): number => {
    const value = notation.test(text.trim()) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    context.addIssue({ code: 'custom', message: `must be ${allowed}` });
    return z.NEVER;
  });
  return taking(allowed, schema);
}

const WHOLE = /^\d{1,16}$/;

/** A duration in seconds, from `least` to `most` (a day by default); fractions are allowed. */
export const seconds = (least: number, most = 86_400) =>
  numberText(/^\d{1,16}(?:\.\d{1,9})?$/, least, most, `a number of seconds from ${least} to ${most}`);

/** A whole number from `least` to `most`. */
export const count = (least: number, most: number) =>
  numberText(WHOLE, least, most, `a whole number from ${least} to ${most}`);

/** A number of bytes from `least` to 2 to the power of `exponent`. */
export const bytes = (least: number, exponent: number) =>
  numberText(WHOLE, least, 2 ** exponent, `a whole number of bytes from ${least} to ${2 ** exponent}`);

/** One of `values`. */
export function choice<const Values extends readonly [string, ...string[]]>(values: Values) {
  const allowed = oneOf(values);
  return taking(allowed, z.enum(values, { error: `must be ${allowed}` }));
}

/** `true` or `false`. */
export const flag = taking(
  'true or false',
  choice(['true', 'false']).transform((value) => value === 'true'),
);

/** Items separated by commas; spaces around them are dropped. */
export const list = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .string()
    .transform((value, context) => {
      const items = value.split(',').map((part) => part.trim());
      const empty = items.indexOf('');
      if (empty === -1) return items as z.input<Item>[];
      context.addIssue({ code: 'custom', path: [empty], message: 'is empty; take the comma out or name something' });
      return z.NEVER;
    })
    .pipe(z.array(item));
