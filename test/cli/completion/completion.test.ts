import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';
import { callEasel } from '../call-easel.ts';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout, stderr } = await callEasel(folder.path, ['completion', shell]);
    expect([code, stderr]).toEqual([0, '']);
    await writeFile(join(folder.path, shell), stdout);
  }
});
afterAll(async () => await folder[Symbol.asyncDispose]());

/** What is offered for the last word, sorted. */
type Complete = (...words: readonly string[]) => Promise<readonly string[]>;

async function linesOf(program: string, ...args: readonly string[]): Promise<readonly string[]> {
  const { stdout, stderr } = await promisify(execFile)(program, args, { cwd: folder.path });
  expect(stderr).toBe('');
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .toSorted();
}

const SHELLS: Readonly<Record<string, Complete>> = {
  bash: (...words) => {
    const script = `source ./bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _easel; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return linesOf('bash', '-c', script, 'bash', ...words);
  },
  zsh: (...words) => {
    const stubs = 'compdef() { : }; compset() { : }; compadd() { shift; print -l -- "$@" }; _files() { : }';
    const describe = `_describe() { print -l -- "\${(@)found%%:*}" }`;
    const script = `${stubs}; ${describe}; source ./zsh; words=("$@"); CURRENT=$#; _easel`;
    const last = words.at(-1)?.replace(/^--.*=/, '') ?? '';
    // zsh itself leaves out what does not fit.
    return linesOf('zsh', '-f', '-c', script, 'zsh', ...words).then((all) =>
      all.filter((each) => each.startsWith(last)),
    );
  },
  fish: (...words) => {
    const script = `source ./fish; complete -C '${words.join(' ')}' | string split -f 1 \\t; true`;
    return linesOf('fish', '--no-config', '-c', script);
  },
};

describe.each(Object.entries(SHELLS))('%s', (shell, complete) => {
  const isMissing = spawnSync(shell, ['--version']).error !== undefined;

  it.skipIf(isMissing)('offers commands, also below others and after --url', async () => {
    expect(await complete('easel', 'ge')).toEqual(['generate', 'get']);
    expect(await complete('easel', 'keys', 'cr')).toEqual(['create']);
    expect(await complete('easel', '--url', 'http://localhost', 'can')).toEqual(['cancel']);
    expect(await complete('easel', 'completion', '')).toEqual(['bash', 'fish', 'zsh']);
  });

  it.skipIf(isMissing)('offers the options of the command, --url where it is taken', async () => {
    expect(await complete('easel', 'generate', 'x', '--m')).toEqual(['--mask', '--media-id', '--metadata', '--model']);
    expect(await complete('easel', 'list', '--url')).toEqual(['--url']);
    expect(await complete('easel', 'backup', '--u')).toEqual([]);
  });

  it.skipIf(isMissing)('offers the values of an option, and takes none for a command', async () => {
    expect(await complete('easel', 'generate', '--quality', 'h')).toEqual(['hd', 'high']);
    expect(await complete('easel', 'list', '--status', 'c')).toEqual(['cancelled']);
    expect(await complete('easel', 'generate', '--label', 'list', '--form')).toEqual(['--format']);
  });
});

it.skipIf(spawnSync('zsh', ['--version']).error !== undefined)('zsh takes --option=value', async () => {
  expect(await SHELLS.zsh?.('easel', 'list', '--status=fa')).toEqual(['failed']);
});

it('bash runs nothing of what stands on the command line, takes --option=value, and offers files for --out', async () => {
  const complete = SHELLS.bash as Complete;
  expect(await complete('easel', 'generate', `"it's $(touch ${folder.path}/run)"`, '--for')).toEqual(['--format']);
  expect(await linesOf('ls', folder.path)).not.toContain('run');
  expect(await complete('easel', 'list', '--status', '=', 'fa')).toEqual(['failed']);
  // Bash itself offers files where the function has nothing to offer and the default is on.
  const script = `source ./bash; compopt() { echo "compopt $*"; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _easel 2> /dev/null`;
  expect(await linesOf('bash', '-c', script, 'bash', 'easel', 'generate', '--out', '')).toContain('compopt -o default');
  expect(await linesOf('bash', '-c', script, 'bash', 'easel', 'generate', '--size', '')).toEqual([
    'compopt +o default',
  ]);
});
