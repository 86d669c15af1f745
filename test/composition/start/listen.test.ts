import { fastify } from 'fastify';
import { expect, it } from 'vitest';
import { listen } from '../../../src/composition/start/listen.ts';
import { ConfigError } from '../../../src/config/config.ts';

it.each([
  ['nope.invalid', 'HOST: there is no address for this name'],
  ['203.0.113.9', 'HOST: this machine has no such address'],
])('HOST=%s, which cannot be bound, is a wrong setting', async (host, sentence) => {
  const app = fastify();
  const error = await listen(app, { host, port: 0 }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ConfigError);
  expect(String(error)).toContain(sentence);
  await app.close();
});
