import { describe, expect, it } from 'vitest';
import { casesOf, mostPictures } from '../../../src/cli/conformance/cases.ts';
import { readConfig } from '../../../src/config/config.ts';
import { providerSettings } from '../../../src/config/provider-settings.ts';
import { dropConnection, openAiError, picture } from '../../support/openai/answers.ts';
import { startOpenAiServer } from '../../support/openai/server.ts';
import { conformanceOf, describeConformance, deviationsOf } from './describe-conformance.ts';
import { DEVIATING_SERVERS } from './deviating-servers.ts';

describe('the stand-in', () => {
  describeConformance(async () => await startOpenAiServer());
});

describe.each(DEVIATING_SERVERS)('a server that $what', ({ arrange, deviates, untried = [], settings }) => {
  it('is found to deviate there, and nowhere else, with the settings that fit', async () => {
    await using server = await startOpenAiServer();
    arrange(server);
    const report = await conformanceOf(server);
    const found = deviationsOf(report);
    expect(Object.keys(found).toSorted()).toEqual(Object.keys(deviates).toSorted());
    for (const [name, finding] of Object.entries(deviates)) expect(found[name]?.join('\n')).toMatch(finding);
    const left = report.cases.filter(({ verdict }) => verdict === 'untried').map(({ name }) => name);
    expect(left.toSorted()).toEqual(untried.toSorted());
    expect(report.advice.map(({ variable, value }) => `${variable}=${value}`)).toEqual(settings);
    expect(report.conforms).toBe(false);
  });
});

it('asks for no more pictures than it says, and for each one alone', async () => {
  await using server = await startOpenAiServer();
  // What should be refused is painted too.
  server.strict = false;
  const report = await conformanceOf(server);
  const asked = server.calls
    .filter(({ status }) => status === 200)
    .reduce((sum, { body }) => sum + Math.max(1, Number(body.n ?? 1)), 0);
  expect(asked).toBeLessThanOrEqual(report.mostPictures);
  expect(report.mostPictures).toBe(mostPictures(casesOf({ edits: true })));
  const sent = server.calls.map(({ operation, body, files }) =>
    JSON.stringify([operation, body, files.map(({ field, bytes }) => [field, bytes.length])]),
  );
  expect(new Set(sent).size).toBe(sent.length);
});

it('asks at low quality for the size alone, and for no edits where none are wanted', async () => {
  await using server = await startOpenAiServer();
  const report = await conformanceOf(server, { edits: false });
  expect(report).toMatchObject({ conforms: true, mostPictures: mostPictures(casesOf({ edits: false })) });
  expect(server.calls.map(({ operation }) => operation)).not.toContain('edits');
  const wrong = ['7x7', 'auto'];
  for (const { body } of server.calls.filter(({ status }) => status === 200)) {
    expect([body.quality, wrong.includes(String(body.size)) ? '816x816' : body.size]).toEqual(['low', '816x816']);
  }
});

it.each([
  ['breaks the connection', dropConnection('reset'), /no answer/],
  ['is overloaded', openAiError('server_is_overloaded'), /answers 503/],
  ['has spent the quota', openAiError('insufficient_quota', { headers: { 'retry-after-ms': '1' } }), /answers 429/],
] as const)('sends nothing after a call for a picture where the server %s', async (_what, behaviour, finding) => {
  await using server = await startOpenAiServer();
  server.script(behaviour);
  const report = await conformanceOf(server);
  expect(deviationsOf(report)).toEqual({ 'generations/picture': [expect.stringMatching(finding)] });
  expect(server.calls).toHaveLength(1);
  expect(report.cases.filter(({ verdict }) => verdict === 'untried')).toHaveLength(report.cases.length - 6);
});

it('waits where a limit of the server asks it to, and sends the call again, which was not billed', async () => {
  await using server = await startOpenAiServer();
  server.script(openAiError('rate_limit_exceeded', { headers: { 'retry-after-ms': '1' } }), picture());
  expect((await conformanceOf(server)).conforms).toBe(true);
  expect(server.calls.slice(0, 2).map(({ status }) => status)).toEqual([429, 200]);
});

it('conforms without a key where the server wants none', async () => {
  await using server = await startOpenAiServer({ key: null });
  const report = await conformanceOf(server);
  expect(report.conforms).toBe(true);
  expect(report.cases.filter(({ verdict }) => verdict !== 'conforms').map(({ name }) => name)).toEqual(['errors/key']);
});

it('advises what the settings take', async () => {
  const settings = [...new Set(DEVIATING_SERVERS.flatMap((one) => one.settings))].map((setting) => setting.split('='));
  const known = settings.filter(([name = '']) => Object.hasOwn(providerSettings, name));
  expect(known.length).toBeGreaterThan(0);
  for (const [name = '', value = ''] of known) {
    const env = {
      PROVIDERS: 'backup',
      PROVIDER_BACKUP_BASE_URL: 'http://127.0.0.1:1/v1',
      [`PROVIDER_BACKUP_${name}`]: value,
    };
    expect(readConfig(env).providers).toHaveLength(1);
  }
});
