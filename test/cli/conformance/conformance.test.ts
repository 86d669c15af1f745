import { expect, it } from 'vitest';
import { createExchange, NoAnswerError } from '../../../src/cli/conformance/exchange.ts';
import { refusingPort } from '../../support/network/refusing-port.ts';
import { hang, openAiError, picture, textError } from '../../support/openai/answers.ts';
import { startOpenAiServer } from '../../support/openai/server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { callEasel } from '../call-easel.ts';
import { runEasel } from '../run-easel.ts';

it('says before the first call how many pictures it may ask for, and ends with 0 where the server conforms', async () => {
  await using server = await startOpenAiServer();
  await using folder = await temporaryFolder();
  const args = ['conformance', `${server.baseUrl}/`, '--api-key-env', 'STAND_IN_KEY'];
  const run = await runEasel(folder.path, args, { STAND_IN_KEY: server.key ?? '' });
  expect(run.stderr).toBe(
    `asks ${server.baseUrl} for at most 24 pictures by gpt-image-2, 816x816 at low quality; ` +
      'no call that may have been billed is sent again\n',
  );
  expect(run.stdout).toMatch(/^conforms {2}models\/list {5,}GET \/models lists the models\n/);
  expect(run.stdout).toMatch(/\n29 of 29 cases conform, 0 deviate, 0 were not tried\n$/);
  expect(run.code).toBe(0);
});

it('ends with 1 where the server deviates, and names the settings that fit it', async () => {
  await using server = await startOpenAiServer();
  server.always(({ operation, body }) => {
    if (operation === 'edits') return textError(404, 'no such page');
    return openAiError('conflict', { status: 400, param: Number(body.n) > 1 ? 'n' : null });
  });
  await using folder = await temporaryFolder();
  const env = { OPENAI_API_KEY: server.key ?? '' };
  const refused = await callEasel(folder.path, ['conformance', server.baseUrl], env);
  expect(refused.code).toBe(1);
  expect(refused.stdout).toMatch(/\ndeviates {2}generations\/picture .*\n {10}- it answers 400: /);
  // The reason stands once, under the first.
  expect(refused.stdout.match(/no picture was made/g)).toHaveLength(1);

  server.reset();
  server.always(({ operation, body }) => {
    if (operation === 'edits') return textError(404, 'no such page');
    return Number(body.n) > 1 ? openAiError('conflict', { status: 400, param: 'n' }) : picture();
  });
  const run = await callEasel(folder.path, ['conformance', server.baseUrl, '--json', '--size', '1024x1024'], env);
  expect(run.code).toBe(1);
  expect(JSON.parse(run.stdout)).toMatchObject({
    url: server.baseUrl,
    model: 'gpt-image-2',
    mostPictures: 24,
    conforms: false,
    advice: [
      { variable: 'OMIT', value: 'n' },
      { variable: 'EDITS', value: 'false' },
    ],
  });
  expect(server.calls[0]?.body).toMatchObject({ size: '1024x1024', quality: 'low', n: 1 });
  const table = await callEasel(folder.path, ['conformance', server.baseUrl], env);
  expect(table.stdout).toMatch(
    /settings that fit it:\n {2}PROVIDER_<NAME>_OMIT=n .*\n {2}PROVIDER_<NAME>_EDITS=false /,
  );
});

it('ends with 1 where no server is, and sends no second call', async () => {
  await using folder = await temporaryFolder();
  await using nowhere = await refusingPort();
  const run = await callEasel(folder.path, ['conformance', `http://127.0.0.1:${nowhere.port}/v1`]);
  expect([run.code, run.stdout]).toEqual([1, '']);
  expect(run.stderr).toMatch(/ is not reached: .*ECONNREFUSED/);
});

it('prints neither the key nor what a terminal would obey, whatever a server answers', async () => {
  await using server = await startOpenAiServer();
  server.always(openAiError('server_error', { message: `key ${server.key}\u001b[2J\n\ngone` }));
  await using folder = await temporaryFolder();
  const run = await callEasel(folder.path, ['conformance', server.baseUrl], { OPENAI_API_KEY: server.key ?? '' });
  expect(run.stdout).toContain('it answers 500: key … [2J gone');
  expect(run.stdout + run.stderr).not.toContain(server.key);
});

it('gives up a call that is not answered in time', async () => {
  await using server = await startOpenAiServer();
  server.always(hang());
  const exchange = createExchange({ baseUrl: server.baseUrl, key: server.key, timeoutMs: 1 });
  const call = exchange.send({ method: 'POST', path: '/images/generations', json: {} });
  await expect(call).rejects.toThrow(new NoAnswerError('there is no whole answer after 0.001 s'));
  await exchange.close();
});
