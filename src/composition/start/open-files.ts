/** The fewest open files with which Easel starts: an idle process has some 30. */
export const MIN_OPEN_FILES = 64;

/** Most open files that are kept back from connections: for the database, pictures that are written, calls and webhooks. */
const MAX_RESERVE = 256;

/** How many files this process may have open at once; null where there is no limit, or none that the system tells. */
export function openFileLimit(): number | null {
  // With the network, the report would look up the name of each address.
  const report = Object.assign(process.report, { excludeNetwork: true, excludeEnv: true });
  const { userLimits } = report.getReport() as { readonly userLimits?: { readonly open_files?: OpenFiles } };
  const soft = Number(userLimits?.open_files?.soft);
  return Number.isFinite(soft) ? soft : null;
}

interface OpenFiles {
  /** A number, or `unlimited`. */
  readonly soft: number | string;
}

/** Most connections at once within a limit of open files: half of what is not kept back, since each may need a picture's file as well. */
export function connectionBound(openFiles: number | null): number {
  if (openFiles === null) return Number.POSITIVE_INFINITY;
  return Math.floor((openFiles - Math.min(MAX_RESERVE, openFiles / 2)) / 2);
}
