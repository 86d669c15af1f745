import { randomUUID } from 'node:crypto';
import { toProblem } from '../api/problem.ts';
import { isProblemCode } from '../api/problem-kinds.ts';
import { EaselError } from '../client/errors.ts';
import { InvalidRequestError, ServiceOwnsError } from './failure.ts';

/**
 * Runs a command's work and sets the exit code that it resolves to. With `--json` the problem of a failure goes to standard output before
 * the error is raised again. `path` is what the API's callers would have asked for.
 */
export async function withProblems(
  json: boolean | undefined,
  path: string,
  work: () => Promise<number>,
): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    if (json) printProblem(error, path);
    throw error;
  }
}

/** Prints the problem for an error that the API would have answered with one; nothing for an error of the command alone. */
export function printProblem(error: unknown, path: string): void {
  const problem = problemOf(error, path);
  if (problem !== null) console.log(JSON.stringify(problem, null, 2));
}

function problemOf(error: unknown, path: string): object | null {
  if (error instanceof ServiceOwnsError) {
    return toProblem({ code: 'storage_unavailable', detail: error.message }, path, randomUUID());
  }
  if (error instanceof InvalidRequestError) {
    return toProblem({ code: 'invalid_request', detail: error.message, errors: error.errors }, path, randomUUID());
  }
  if (!(error instanceof EaselError)) return null;
  const { code, message: detail, problem, mediaId, requestId } = error;
  if (problem !== null) return { ...problem, requestId: problem.requestId || (requestId ?? randomUUID()) };
  if (isProblemCode(code)) return toProblem({ code, detail, mediaId: mediaId ?? null }, path, randomUUID());
  // There is no answer to show.
  return {
    type: `urn:easel:problem:${code}`,
    title: TITLES[code],
    detail,
    instance: path,
    code,
    ...(mediaId && { mediaId }),
  };
}

/** Of what the API has no problem for. */
const TITLES = {
  cancelled: 'The picture was cancelled',
  unreachable: 'The service cannot be reached',
  unexpected_answer: 'The answer is not that of Easel',
} as const;
