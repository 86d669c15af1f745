import { expect, it } from 'vitest';
import { startProcess } from '../app/process.ts';
import { temporaryFolder } from '../temporary-folder.ts';

it('the stand-in prints its URL and key, and its usage for a wrong port', async () => {
  await using folder = await temporaryFolder();
  const command = [process.execPath, 'test/support/openai/server.ts'] as const;
  await using wrong = startProcess({ folder: folder.path, command: [...command, 'port'] });
  expect([await wrong.exited, wrong.stderr()]).toEqual([2, expect.stringMatching(/^usage: npm run stand-in/)]);

  await using run = startProcess({ folder: folder.path, command });
  await expect.poll(run.stdout).toMatch(/^OPENAI_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/v1 OPENAI_API_KEY=\S+\n/);
  run.child.kill('SIGINT');
  await run.exited;
});
