import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { expect, it, vi } from 'vitest';
import { createLogOutput } from '../../../src/adapters/telemetry/log-output.ts';
import { startProcess } from '../../support/app/process.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

it('writes the lines of a turn together, in order, and a fatal line at once', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'log');
  const descriptor = openSync(path, 'w');
  try {
    const messages = () => [...readFileSync(path, 'utf8').matchAll(/"msg":"(.*?)"/g)].map(([, msg]) => msg);
    const log = pino(
      {},
      createLogOutput(descriptor, (lines) => lines),
    );
    log.info('1');
    log.error('2');
    expect(messages()).toEqual([]);
    await turn();
    expect(messages()).toEqual(['1', '2']);
    log.info('3');
    log.fatal('4');
    expect(messages()).toEqual(['1', '2', '3', '4']);
    await turn();
    expect(messages()).toEqual(['1', '2', '3', '4']);
  } finally {
    closeSync(descriptor);
  }
});

it('lets the lines of requests wait for others, and any other line take them along in order', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'log');
  const descriptor = openSync(path, 'w');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const lines = () => readFileSync(path, 'utf8').split('\n').length - 1;
    const log = pino(
      {},
      createLogOutput(descriptor, (text) => text),
    );
    log.info({ status: 200 }, 'request');
    log.info({ status: 304 }, 'request');
    await turn();
    expect(lines()).toBe(0);
    vi.advanceTimersByTime(5);
    expect(lines()).toBe(2);
    log.info({ status: 200 }, 'request');
    log.info('something else');
    await turn();
    expect(readFileSync(path, 'utf8')).toMatch(/"msg":"request"}\n.*"msg":"something else"}\n$/);
    // Not without bound.
    for (let request = 0; request < 1000; request += 1) log.info({ url: 'x'.repeat(100) }, 'request');
    await turn();
    expect(lines()).toBe(1004);
    vi.advanceTimersByTime(5);
    expect(lines()).toBe(1004);
  } finally {
    vi.useRealTimers();
    closeSync(descriptor);
  }
});

/** Runs `code` in a child process, with an output to its standard output as `log`. */
function run(folder: string, code: string) {
  const module = fileURLToPath(new URL('../../../src/adapters/telemetry/log-output.ts', import.meta.url));
  const script = `import { createLogOutput } from '${module}'; const log = createLogOutput(1, (lines) => lines); ${code}`;
  return startProcess({ folder, command: [process.execPath, '--input-type=module', '--eval', script] });
}

it.each([
  ['exits', 'process.exit(3)', 3],
  ['fails', 'throw new Error("unexpected")', 1],
])('loses no line of a process that %s in the same turn', async (_how, end, code) => {
  await using folder = await temporaryFolder();
  const written = Array.from({ length: 2000 }, (_, line) => `${line} ${'x'.repeat(100)}\n`).join('');
  await using ended = run(
    folder.path,
    `for (let line = 0; line < 2000; line++) log.write(line + ' ' + 'x'.repeat(100) + '\\n'); ${end}`,
  );
  expect(await ended.exited).toBe(code);
  expect(ended.stdout()).toBe(written);
});

it('lets a process exit whose log pipe has lost its reader', async () => {
  await using folder = await temporaryFolder();
  await using unread = run(
    folder.path,
    "setInterval(() => log.write('x\\n'), 1); setTimeout(() => process.exit(3), 200)",
  );
  unread.child.stdout?.destroy();
  expect(await unread.exited).toBe(3);
});

it('changes each line by itself, after secrets were masked', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'log');
  const descriptor = openSync(path, 'w');
  try {
    const log = createLogOutput(
      descriptor,
      (lines) => lines.replaceAll('hunter2', '[secret]'),
      (line) => `<${line}>\n`,
    );
    log.write('a hunter2\n');
    log.write('b\n');
    log.flushSync();
    expect(readFileSync(path, 'utf8')).toBe('<a [secret]>\n<b>\n');
  } finally {
    closeSync(descriptor);
  }
});
