import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startService } from '../support/app/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

it('a process with SQLite and a folder loads nothing of PostgreSQL, pg-boss and S3', async () => {
  await using folder = await temporaryFolder();
  const loaded = join(folder.path, 'modules');
  await using service = await startService({
    folder: folder.path,
    env: { LOADED_MODULES: loaded },
    preload: new URL('../support/loaded-modules.ts', import.meta.url),
  });
  expect((await fetch(`${service.url}/health/live`)).status).toBe(200);
  const modules = await readFile(loaded, 'utf8');
  expect(modules).toContain('composition/stores/embedded.ts');
  expect(modules).not.toMatch(/node_modules\/(pg|pg-boss|@aws-sdk|@smithy)\/|adapters\/(postgres|storage\/s3)\//);
});
