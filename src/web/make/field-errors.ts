import type { ServiceError } from '../service/service-error.ts';

/** What is wrong with the field of a path such as `size` or `inputs.0`; undefined for nothing. */
export type ErrorOf = (path: string) => string | undefined;

/** Fields with several lines, whose errors name the line. */
const LISTS = /^(labels|brief\.palette|brief\.avoid)\.(\d+)/;

/** The errors of the service at the fields that they are about. A list has those of its items, too, but for inputs, which stand alone. */
export function errorsByField(error: ServiceError | null): ErrorOf {
  const problem = error?.problem;
  const errors = problem?.errors ?? [];
  return (path) => {
    if (problem?.code === 'media_id_conflict' && path === 'mediaId') return 'This name is taken: choose another.';
    const found = errors.find((one) => one.path === path || (path !== 'inputs' && one.path.startsWith(`${path}.`)));
    if (found === undefined) return undefined;
    const line = LISTS.exec(found.path)?.[2];
    return line === undefined ? found.message : `Line ${Number(line) + 1}: ${found.message}`;
  };
}
