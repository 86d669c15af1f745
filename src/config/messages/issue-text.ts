import type { z } from 'zod';

/**
 * One line about a wrong value of `variable`: its name, the entry of a list where `value` has several, and what is allowed. The value
 * itself is left out, as it may be a secret in the wrong place.
 */
export function issueLine(variable: string, { path, message }: z.core.$ZodIssue, value = ''): string {
  const [, entry] = path;
  const isOneOfSeveral = typeof entry === 'number' && value.includes(',');
  return `${variable}: ${isOneOfSeveral ? `entry ${entry + 1}: ` : ''}${message}`;
}
