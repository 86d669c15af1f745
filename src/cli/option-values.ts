import type { z } from 'zod';
import { UsageError } from './failure.ts';

/** A parser for the value of `flag` that raises `UsageError` where the value does not fit the schema. */
export function parseOption<T>(flag: string, schema: z.ZodType<T>): (value: string) => T {
  return (value) => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    throw new UsageError(result.error.issues.map(({ message }) => `${flag}: ${message}`).join('\n'));
  };
}

/** Collects the values of an option that may be given more than once. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}
