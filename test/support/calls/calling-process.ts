/**
 * A process that makes fresh calls and waits until it is killed: `node calling-process.ts '[{"digest":"…","count":2}]'`, with the settings
 * in its environment. Once all are accepted it prints their ids as JSON, in a line of their own.
 */

import { pino } from 'pino';
import { createServices } from '../../../src/composition/services.ts';
import { readConfig } from '../../../src/config/config.ts';
import { ANONYMOUS } from '../../../src/core/domain/request.ts';
import { identity, LIGHTHOUSE } from './example-calls.ts';

const calls = JSON.parse(process.argv[2] ?? '[]') as readonly { readonly digest: string; readonly count: number }[];
const services = await createServices(readConfig(process.env), pino({ level: 'silent' }));
await services.start();
const accepted = await Promise.all(
  calls.map(({ digest, count }) => services.calls.submit(LIGHTHOUSE, count, ANONYMOUS, identity({ digest }))),
);
process.stdout.write(`${JSON.stringify(accepted.map(({ id }) => id))}\n`);
setInterval(() => undefined, 3_600_000);
