import { OMITTABLE_PARAMETERS } from '../../core/domain/model.ts';
import type { Answer, Case, FlagName } from './case.ts';
import { isEventStream } from './expectations.ts';

/** The end of a `PROVIDER_<NAME>_…` variable that fits the server, its value, and why. */
export interface Advice {
  readonly variable: 'OMIT' | FlagName;
  readonly value: string;
  readonly why: string;
}

/** The advice for parameters that the server refuses, in the order of the setting's own list, and for what it has not. */
export function adviceFor(refused: ReadonlySet<string>, lacking: ReadonlySet<FlagName>): readonly Advice[] {
  const omit = OMITTABLE_PARAMETERS.filter((name) => refused.has(name));
  return [
    ...(omit.length === 0
      ? []
      : [{ variable: 'OMIT' as const, value: omit.join(','), why: 'it refuses what is not to be sent to it' }]),
    ...[...lacking].map((variable) => ({ variable, value: 'false', why: LACKS[variable] })),
  ];
}

const LACKS: Readonly<Record<FlagName, string>> = { EDITS: 'it has no edits', STREAMING: 'it does not stream' };

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

/** True where the answer shows that the server cannot do what the flag stands for: no such route, a refusal, or no stream. */
export function lacks(answer: Answer, flag: FlagName): boolean {
  const { status, headers } = answer;
  if (status === 404 || status === 405 || failsOnIt(answer)) return true;
  return flag === 'STREAMING' && status === 200 && !isEventStream(headers);
}
