import type { PostgresDatabase } from '../database.ts';
import { CLUSTER_TABLES } from './cluster-tables.ts';
import { IMPORT_TABLES } from './import-tables.ts';
import { OPERATIONS_TABLES } from './operations-tables.ts';
import { RECORD_TABLES } from './record-tables.ts';
import { SEARCH_TABLES } from './search-tables.ts';

/**
 * The migrations, forward only: entry n is number n + 1. A released entry is never changed, and new ones are added at the end. `raises`
 * says that an older Easel must not work on the result; a migration that only adds leaves it false, so that two versions run side by
 * side.
 */
export const MIGRATIONS: readonly { readonly sql: string; readonly raises: boolean }[] = [
  { sql: `${RECORD_TABLES}${CLUSTER_TABLES}${IMPORT_TABLES}`, raises: true },
  { sql: SEARCH_TABLES, raises: false },
  // Whose picture it is, for those who listen to all images. A replica of an older version leaves it out.
  { sql: 'ALTER TABLE easel.partials ADD COLUMN owner text', raises: false },
  { sql: OPERATIONS_TABLES, raises: false },
];

/** The number in `easel.schema_version` after all migrations: that of the last one that `raises`. */
export const SCHEMA_VERSION = versionOf(MIGRATIONS);

function versionOf(migrations: typeof MIGRATIONS): number {
  return migrations.findLastIndex(({ raises }) => raises) + 1;
}

/** The name of the lock under which one process migrates. */
const MIGRATION_LOCK = 'easel migrations';

/**
 * Runs the missing migrations in one transaction, under PostgreSQL's advisory lock, so that of many replicas that start at once one does
 * it. They take as long as they take: open `database` with `statementTimeoutMs` of 0. Returns the number of the last one that was there
 * before. Raises `NewerSchemaError` where a newer Easel has changed what this one knows.
 */
export async function migrate(database: PostgresDatabase, migrations = MIGRATIONS): Promise<number> {
  const known = versionOf(migrations);
  return await database.transaction(async ({ run }) => {
    // The server, too, may have a limit of its own.
    await run('SET LOCAL statement_timeout = 0');
    await run('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [MIGRATION_LOCK]);
    await run('CREATE SCHEMA IF NOT EXISTS easel');
    await run(
      'CREATE TABLE IF NOT EXISTS easel.migrations (number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
    );
    await run('CREATE TABLE IF NOT EXISTS easel.schema_version (version integer NOT NULL)');
    const [version] = await run('SELECT version FROM easel.schema_version');
    if (Number(version?.version ?? 0) > known) throw new NewerSchemaError(Number(version?.version), known);
    const [last] = await run('SELECT coalesce(max(number), 0) AS number FROM easel.migrations');
    const before = Number(last?.number);
    for (const [index, { sql }] of migrations.entries()) {
      if (index < before) continue;
      await run(sql);
      await run('INSERT INTO easel.migrations (number) VALUES ($1)', [index + 1]);
    }
    if (version === undefined) await run('INSERT INTO easel.schema_version VALUES ($1)', [known]);
    else await run('UPDATE easel.schema_version SET version = $1 WHERE version < $1', [known]);
    return before;
  });
}

/** The database was migrated by a newer Easel, and this one must not write to it. */
export class NewerSchemaError extends Error {
  override readonly name = 'NewerSchemaError';

  constructor(version: number, known: number) {
    super(`the database has schema ${version} of a newer Easel, and this one knows ${known}; start the newer one`);
  }
}
