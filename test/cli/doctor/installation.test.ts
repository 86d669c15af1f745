/** `easel doctor` without a service: what it looks at, what it says to do, and that it costs nothing. */

import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Finding } from '../../../src/composition/checkup/finding.ts';
import { startService } from '../../support/app/process.ts';
import { answer, htmlPage, openAiError } from '../../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../../support/openai/server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { callEasel } from '../call-easel.ts';

let upstream: OpenAiServer;
beforeAll(async () => {
  upstream = await startOpenAiServer();
});
afterAll(async () => await upstream[Symbol.asyncDispose]());
beforeEach(() => upstream.reset());

interface Examined {
  readonly code: number | string;
  readonly findings: readonly Finding[];
  of(subject: string): readonly (readonly [verdict: string, detail: string])[];
}

async function doctor(folder: string, env: Readonly<Record<string, string>> = {}): Promise<Examined> {
  const provider = { OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl };
  const { code, stdout, stderr } = await callEasel(folder, ['doctor', '--json'], { ...provider, ...env });
  expect(stderr).toBe('');
  const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
  const of = (subject: string) =>
    findings.filter((finding) => finding.subject === subject).map(({ verdict, detail }) => [verdict, detail] as const);
  return { code, findings, of };
}

it('looks at everything, one line a subject, without a call that costs and without making anything', async () => {
  await using folder = await temporaryFolder();
  const { code, findings } = await doctor(folder.path);
  expect(code).toBe(0);
  expect(findings.map(({ subject, verdict }) => [subject, verdict])).toEqual([
    ['settings', 'ok'],
    ['provider openai', 'ok'],
    ['models', 'ok'],
    ['clock', 'ok'],
    ['disk', 'ok'],
    ['database', 'ok'],
    ['sharp', 'ok'],
    ['proxy', 'ok'],
  ]);
  expect(upstream.calls).toEqual([]);
  expect(await readdir(folder.path)).toEqual([]);

  const { stdout } = await callEasel(folder.path, ['doctor'], { PROVIDERS: 'placeholder' });
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(8);
  expect(lines[1]).toMatch(
    /^warning {2}provider placeholder {2}paints abstract placeholders here; set OPENAI_API_KEY /,
  );
  for (const line of lines) expect(line).toMatch(/^(?:ok {5}|warning|fails {2}) {2}\S/);
});

it.each<[string, () => void, Finding['verdict'], RegExp]>([
  [
    'a refused key',
    () => {
      upstream.key = 'other';
    },
    'fails',
    /refuses the key.*correct OPENAI_API_KEY$/,
  ],
  ['a spent account', () => upstream.scriptModels(openAiError('insufficient_quota')), 'fails', /OPENAI_API_KEY$/],
  ['a page instead of a list', () => upstream.scriptModels(htmlPage(200)), 'fails', /is OPENAI_BASE_URL right/],
  ['no such list', () => upstream.scriptModels(htmlPage(404)), 'warning', /has no list of models.*OPENAI_BASE_URL/],
])('%s is found by the free list of models', async (_name, prepare, verdict, detail) => {
  await using folder = await temporaryFolder();
  const key = upstream.key ?? '';
  prepare();
  const { code, of } = await doctor(folder.path, { OPENAI_API_KEY: key });
  upstream.key = key;
  expect(of('provider openai')).toEqual([[verdict, expect.stringMatching(detail)]]);
  expect(code).toBe(verdict === 'fails' ? 1 : 0);
});

it('a provider that is not reached fails, and names its own variables', async () => {
  await using folder = await temporaryFolder();
  const env = { PROVIDERS: 'own', PROVIDER_OWN_BASE_URL: 'http://127.0.0.1:1/v1', PROVIDER_OWN_MODEL: 'gpt-image-2' };
  const { code, of } = await doctor(folder.path, env);
  expect([code, of('provider own')]).toEqual([1, [['fails', expect.stringContaining('PROVIDER_OWN_BASE_URL')]]]);
});

it('says until when the models in use are served, and which the provider does not list', async () => {
  await using folder = await temporaryFolder();
  const listOf = (...data: readonly object[]) => answer({ json: { object: 'list', data } });
  for (const [entry, verdict, detail] of [
    [{ id: 'gpt-image-2', shutdown_date: '2001-01-01' }, 'fails', /was shut down on 2001-01-01.*set IMAGE_MODEL/],
    [{ id: 'gpt-image-2', shutdown_date: inDays(40) }, 'warning', /will be shut down on .*set IMAGE_MODEL/],
    [{ id: 'gpt-image-2', shutdown_date: inDays(400) }, 'ok', /^gpt-image-2 of openai, gpt-image-2 until /],
    [{ id: 'another' }, 'warning', /openai does not list gpt-image-2.*IMAGE_MODEL/],
  ] as const) {
    upstream.scriptModels(listOf(entry));
    expect((await doctor(folder.path)).of('models')).toEqual([[verdict, expect.stringMatching(detail)]]);
  }
});

it('compares the clock with that of the provider', async () => {
  await using folder = await temporaryFolder();
  for (const [seconds, verdict, detail] of [
    [0, 'ok', /^agrees with that of 127\.0\.0\.1:/],
    [60, 'warning', /^is (?:59|60|61) s behind .*time synchronisation/],
    [-3600, 'fails', /^is \d+ s ahead of /],
  ] as const) {
    const date = new Date(Date.now() + seconds * 1000).toUTCString();
    upstream.scriptModels(answer({ json: { data: [{ id: 'gpt-image-2' }] }, headers: { date } }));
    expect((await doctor(folder.path)).of('clock')).toEqual([[verdict, expect.stringMatching(detail)]]);
  }
});

it('wrong settings end with 78, each on a line, and misspelt ones are warnings', async () => {
  await using folder = await temporaryFolder();
  const wrong = await doctor(folder.path, { CONCURRENCY: 'many', PORT: '-1' });
  expect(wrong.code).toBe(78);
  expect(wrong.findings.map(({ verdict, detail }) => [verdict, detail.split(':')[0]]).toSorted()).toEqual([
    ['fails', 'CONCURRENCY'],
    ['fails', 'PORT'],
  ]);
  const misspelt = await doctor(folder.path, { CONCURENCY: '8' });
  expect(misspelt.of('settings')).toEqual([['warning', 'CONCURENCY is not a setting; is CONCURRENCY meant?']]);
  expect(misspelt.code).toBe(0);
});

it('finds a place that cannot be written, and a database of another Easel', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'file'), '');
  const inTheWay = await doctor(folder.path, {
    MEDIA_DIR: join(folder.path, 'file'),
    DATABASE_URL: `sqlite:${folder.path}/file/easel.db`,
  });
  expect(inTheWay.code).toBe(1);
  expect(inTheWay.of('disk')).toEqual([
    ['fails', expect.stringMatching(/^MEDIA_DIR: .*is a file where a folder has to be/)],
  ]);
  expect(inTheWay.of('database')).toEqual([['fails', expect.stringMatching(/^DATABASE_URL: /)]]);

  await writeFile(join(folder.path, 'notes.db'), 'these are notes, and no database at all');
  const noDatabase = await doctor(folder.path, { DATABASE_URL: `sqlite:${folder.path}/notes.db` });
  expect(noDatabase.of('database')).toEqual([['fails', expect.stringMatching(/^DATABASE_URL: /)]]);

  const readOnly = join(folder.path, 'read-only');
  await mkdir(readOnly);
  await chmod(readOnly, 0o500);
  // Root may write everywhere.
  if (process.getuid?.() === 0) return;
  const { of } = await doctor(folder.path, { MEDIA_DIR: readOnly });
  expect(of('disk')).toEqual([['fails', expect.stringMatching(/may not write to .*MEDIA_DIR/)]]);
});

it('compares the waits with what proxies allow, where one is expected', async () => {
  await using folder = await temporaryFolder();
  const PUBLIC_URL = 'https://pictures.example';
  const long = await doctor(folder.path, { PUBLIC_URL });
  expect(long.of('proxy')).toEqual([
    ['warning', expect.stringMatching(/^SYNC_WAIT_SECONDS is 120, .*; TRUST_PROXY is not set/)],
  ]);
  const short = await doctor(folder.path, { PUBLIC_URL, SYNC_WAIT_SECONDS: '50', TRUST_PROXY: 'loopback' });
  expect(short.of('proxy')).toEqual([['ok', expect.stringContaining(`--url ${PUBLIC_URL}`)]]);
});

it('does not mind a service that uses the database, and says so', async () => {
  await using folder = await temporaryFolder();
  await using service = await startService({ folder: folder.path });
  const { code, of } = await doctor(folder.path);
  expect(code).toBe(0);
  expect(of('database')).toEqual([
    ['ok', expect.stringMatching(new RegExp(`a service uses it \\(pid ${service.child.pid} on .*EASEL_URL`))],
  ]);
  expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
});

function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
}
