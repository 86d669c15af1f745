/** Runs the commands of the documentation in the order in which they stand there. `docs/development.md` says how blocks are marked. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { freePort, OWN_LOOPBACK } from '../support/network/own-loopback.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { until } from '../support/until.ts';
import { type Background, type Checkout, createCheckout } from './checkout.ts';
import { type Block, PROJECT, readPage, readPages, tagValue } from './pages.ts';

/** Far longer than a page needs, which starts the service several times, and npm for each of its commands. */
vi.setConfig({ testTimeout: 900_000 });

const TOOLS = ['bash', 'curl', 'openssl'];
const missing = TOOLS.filter((tool) => spawnSync(tool, ['--version']).error !== undefined);

const isCommand = ({ language }: Block) => language === 'sh';
const pages = readPages().map(({ name, blocks }) => ({ name, blocks }));
const runnable = pages.filter(({ blocks }) =>
  blocks.some((block) => isCommand(block) && tagValue(block, 'checked-by') === null),
);

describe.skipIf(missing.length > 0)(
  `the commands${missing.length > 0 ? ` (skipped: install ${missing.join(', ')})` : ''}`,
  () => {
    it.each(runnable)('of $name do what they say', async ({ blocks }) => {
      await using checkout = await createCheckout();
      await using upstream = await startOpenAiServer();
      const receiver = await freePort();
      // Ports and addresses of the text, and what stands for them here.
      const rewrite = (text: string): string =>
        text
          .replaceAll('127.0.0.1:8000', `${OWN_LOOPBACK}:${receiver}`)
          .replaceAll("listen(8000, '127.0.0.1'", `listen(${receiver}, '${OWN_LOOPBACK}'`)
          .replaceAll('http://127.0.0.1:8080/v1', upstream.baseUrl)
          .replaceAll('https://example.openai.azure.com', new URL(upstream.baseUrl).origin)
          .replaceAll('stand-in -- 8080', 'stand-in -- 0')
          .replaceAll('sk-…', upstream.key ?? '');

      let service: Service | null = null;
      let background: Background | null = null;
      const stop = async () => {
        await service?.process.stop();
        service = null;
      };
      const start = async (script: string) => {
        await stop();
        service = await startService(checkout, script, { OPENAI_BASE_URL: upstream.baseUrl });
        return service;
      };

      for (const block of blocks) {
        const text = rewrite(block.text);
        const file = tagValue(block, 'file');
        if (file !== null) await writeFile(join(checkout.path, file), text);
        if (block.tags.includes('printed')) {
          await until(async () => background?.output().includes(text.trim()) ?? false);
        }
        if (!isCommand(block) || tagValue(block, 'checked-by') !== null) continue;

        if (block.tags.includes('start')) await start(text);
        else if (block.tags.includes('background')) {
          background = checkout.start(text);
          const { output, hasFailed } = background;
          await until(async () => output() !== '' || hasFailed());
        } else {
          if (block.tags.includes('stopped')) await stop();
          else service ??= await start('npm start');
          const { code, output } = await checkout.run(HELPERS + addressed(text, service), {
            HELPER_FILES: checkout.path,
          });
          expect({ place: block.place, code, output: code === 0 ? '' : output }).toEqual({
            place: block.place,
            code: 0,
            output: '',
          });
        }
      }
      expect(background?.hasFailed() === true ? background.output() : '').toBe('');
      await stop();
    });
  },
);

it('names a file that exists for every block that is checked another way', () => {
  const others = pages.flatMap(({ blocks }) => blocks).map((block) => tagValue(block, 'checked-by'));
  expect(others.filter((file) => file !== null && !existsSync(join(PROJECT, file)))).toEqual([]);
});

it('marks blocks only in ways that are known', () => {
  const known = /^(start|stopped|background|printed|kubernetes|untested|(file|checked-by)=\S+)$/;
  const strange = pages
    .flatMap(({ blocks }) => blocks)
    .filter(({ language, tags }) => language !== 'json' && tags.some((tag) => !known.test(tag)));
  expect(strange).toEqual([]);
});

it('docs/use-it-from.md says of everything whether it was tried: each section runs something, or says what is untested', () => {
  const { source, blocks } = readPage('docs/use-it-from.md');
  const commands = blocks.filter(isCommand).map(({ text }) => text);
  const isRun = (block: Block) =>
    isCommand(block) || commands.some((text) => text.includes(tagValue(block, 'file') ?? block.text));
  const unmarked = blocks.filter((block) => !isRun(block) && !block.tags.includes('untested'));
  expect(unmarked.map(({ place }) => place)).toEqual([]);
  const [, ...sections] = source.split(/^## /m);
  const silent = sections.filter((text) => !/^```sh$|\*untested|examples\//im.test(text));
  expect(silent.map((text) => text.split('\n')[0])).toEqual([]);
  const hidden = sections.filter((text) => /^```\w+ untested$/m.test(text) && !/\*untested\*/i.test(text));
  expect(hidden).toEqual([]);
});

interface Service {
  readonly process: Background;
  /** `host:port` where it listens. */
  readonly host: string;
}

/** Starts the service by a command of the text, on a free port, and resolves when it listens. `npm ci` is left to `.ci/run`. */
async function startService(
  checkout: Checkout,
  script: string,
  env: Readonly<Record<string, string>>,
): Promise<Service> {
  const process = checkout.start(script.replace(/^npm ci$/m, ''), {
    PORT: '0',
    ...(script.includes('OPENAI_API_KEY') && env),
  });
  const host = () => /listens on http:\/\/([^"\s]+)/.exec(process.output())?.[1];
  await until(async () => process.hasFailed() || host() !== undefined);
  const found = host();
  if (found === undefined) throw new Error(`the service has failed before it listened\n${script}\n${process.output()}`);
  return { process, host: found };
}

/** The script with the service's own address, and with its comments about statuses as assignments. */
function addressed(script: string, service: Service | null): string {
  const statuses = script.replaceAll(/^# (\d{3})\b.*$/gm, 'EXPECTED=$1');
  return service === null ? statuses : statuses.replaceAll('127.0.0.1:3000', service.host);
}

/**
 * `curl` fails when the status of the answer is not `$EXPECTED`, any 2xx where none is expected. It sends a request again that a busy
 * machine has answered with 429.
 */
const HELPERS = `
EXPECTED=2..
curl() {
  local headers answer status
  headers=$(mktemp -p "$HELPER_FILES")
  answer=$(mktemp -p "$HELPER_FILES")
  while :; do
    command curl -D "$headers" "$@" > "$answer" || return
    status=$(awk '/^HTTP/ { status = $2 } END { print status }' "$headers")
    [[ $status == 429 && $EXPECTED != 429 ]] || break
    sleep 0.25
  done
  cat "$answer"
  [[ $status =~ ^$EXPECTED$ ]] || { echo "answered $status instead of $EXPECTED: curl $*" >&2; return 1; }
}
`;
