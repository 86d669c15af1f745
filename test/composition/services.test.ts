import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createServices } from '../../src/composition/services.ts';
import { readConfig } from '../../src/config/config.ts';
import { openRecords } from '../support/app/records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

it('a stop that comes during the start waits for it, then closes everything, so that the next process may open it', async () => {
  await using folder = await temporaryFolder();
  const config = readConfig({
    MEDIA_DIR: join(folder.path, 'media'),
    DATABASE_URL: `sqlite:${join(folder.path, 'easel.db')}`,
    PROVIDERS: 'placeholder',
  });
  const log = pino({ level: 'silent' });
  const services = await createServices(config, log, {
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: (ms, signal) => delay(ms, undefined, { signal }),
    },
    random: () => 0.5,
  });
  const starting = services.start();
  await services.stop({ graceMs: 0 });
  await expect(starting).resolves.toBeUndefined();
  const records = openRecords(folder.path);
  expect(await records.unfinished()).toEqual([]);
  await records.close();
});
