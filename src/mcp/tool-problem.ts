import { fieldErrors } from '../api/problem.ts';
import { isProblemCode, PROBLEMS } from '../api/problem-kinds.ts';
import { EaselError } from '../client/errors.ts';
import type { Problem } from '../client/shapes.ts';
import { ARGUMENTS, type ToolName } from './arguments.ts';

/** What is wrong with a call of a tool, in the shape of a problem. */
export interface ToolProblem {
  readonly code: string;
  readonly detail: string;
  readonly [field: string]: unknown;
}

/** Ends a call with a problem. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  readonly problem: ToolProblem;

  constructor(problem: ToolProblem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** Raises `ToolError` with `invalid_request`, which names every wrong field, where the tool does not take these arguments. */
export function requireArguments(tool: ToolName, given: unknown): void {
  const { error } = ARGUMENTS[tool].safeParse(given);
  if (error === undefined) return;
  const errors = fieldErrors(error.issues, 'arguments');
  throw new ToolError(ownProblem('invalid_request', `wrong in the arguments: ${describeErrors(errors)}`, { errors }));
}

/** The problem for what a call raised; null for a defect, which is for the log. */
export function problemOf(error: unknown): ToolProblem | null {
  if (error instanceof ToolError) return error.problem;
  if (!(error instanceof EaselError)) return null;
  const { code, message, status, errors, mediaId, requestId, retryAfter, problem } = error;
  if (problem !== null) return { ...problem, detail: wholeDetail(problem) };
  const given = { status, errors, requestId, retryAfter, mediaId };
  return ownProblem(code, message, Object.fromEntries(Object.entries(given).filter(([, value]) => value != null)));
}

/** What is wrong in words alone: many agents see no more of a problem than its detail, which may leave the reasons to its `errors`. */
function wholeDetail({ detail, errors = [] }: Problem): string {
  const [whole, where] = /^(wrong in the \w+): .*; see errors$/s.exec(detail) ?? [];
  return whole === undefined || errors.length === 0 ? detail : `${where}: ${describeErrors(errors)}`;
}

function describeErrors(errors: NonNullable<Problem['errors']>): string {
  return errors.map(({ path, message }) => `\`${path}\` ${message}`).join('; ');
}

/** A problem as HTTP writes it, without what only a request has. */
export function ownProblem(code: string, detail: string, fields: Readonly<Record<string, unknown>> = {}): ToolProblem {
  const kind = isProblemCode(code) ? PROBLEMS[code] : null;
  return {
    type: `urn:easel:problem:${code}`,
    ...(kind !== null && { title: kind.title, status: kind.status }),
    detail,
    code,
    ...fields,
  };
}
