import { OMITTABLE_PARAMETERS } from '../../core/domain/model.ts';
import type { Answer, Case } from './case.ts';

/** The end of a `PROVIDER_<NAME>_…` variable that fits the server, its value, and why. */
export interface Advice {
  readonly variable: 'OMIT' | 'EDITS';
  readonly value: string;
  readonly why: string;
}

/** The advice for parameters that the server refuses and for edits that it has not, in the order of the setting's own list. */
export function adviceFor(refused: ReadonlySet<string>, hasNoEdits: boolean): readonly Advice[] {
  const omit = OMITTABLE_PARAMETERS.filter((name) => refused.has(name));
  return [
    ...(omit.length === 0
      ? []
      : [{ variable: 'OMIT' as const, value: omit.join(','), why: 'it refuses what is not to be sent to it' }]),
    ...(hasNoEdits ? [{ variable: 'EDITS' as const, value: 'false', why: 'it has no edits' }] : []),
  ];
}

/** The parameters of the case that the server fails on: the one that it names, else all of them. None where it does not fail. */
export function refusedParameters(answer: Answer, { omittable = [] }: Pick<Case, 'omittable'>): readonly string[] {
  if (!failsOnIt(answer)) return [];
  const named = namedParameter(answer, omittable);
  return named === null ? omittable : [named];
}

/** True for a status that says that the call is wrong, and so was not billed. */
export function isRefusal({ status }: Answer): boolean {
  return status === 400 || status === 422;
}

/** True for a refusal, and for a server that breaks on what it should refuse or do. */
export function failsOnIt(answer: Answer): boolean {
  return isRefusal(answer) || answer.status === 500 || answer.status === 501;
}

/** Which of the parameters a refusal names, as its `param` or in its text; null where it names none or several. */
export function namedParameter({ json, text }: Answer, names: readonly string[]): string | null {
  const param = (json as { error?: { param?: unknown } } | null | undefined)?.error?.param;
  const exact = names.find((name) => name === param);
  if (exact !== undefined) return exact;
  const said = names.filter((name) => new RegExp(`(?<![\\w-])${name}(?![\\w-])`, 'i').test(text));
  return said.length === 1 ? (said[0] ?? null) : null;
}

/** True for the answer of a server that has no such route. */
export function isMissing({ status }: Answer): boolean {
  return status === 404 || status === 405 || status === 501;
}
