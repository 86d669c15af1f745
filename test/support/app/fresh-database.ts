import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../../src/adapters/records/sqlite/database.ts';

let fresh: Promise<Buffer> | undefined;

/** Writes a new database, with the current schema and nothing in it, as a service makes it at its first start. */
export async function writeFreshDatabase(path: string): Promise<void> {
  fresh ??= makeFreshDatabase();
  await writeFile(path, await fresh, { mode: 0o600 });
}

async function makeFreshDatabase(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'easel-'));
  try {
    const path = join(folder, 'easel.db');
    await openDatabase(path, 0).close();
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
