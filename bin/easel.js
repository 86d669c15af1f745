#!/usr/bin/env node
// The command `easel`. Plain JavaScript that Node 18 can read, so that an older Node says what is wrong instead of a syntax error.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const OLDEST_NODE = 24;
/**
 * Memory settings of the service. V8 collects its young generation in smaller steps; the old one, which is small, may grow to three times
 * its size before it is collected: a fifteenth less processor time for a picture. Each thread collects by itself: where all processors are
 * busy with pictures, the event loop would wait for V8's helper threads to have one. 99% of the refusals under ten times the load went out
 * in 29 ms instead of 64, on two cores.
 */
const SERVICE_FLAGS = ['--max-semi-space-size=8', '--heap-growing-percent=200', '--single-threaded-gc'];
/**
 * glibc keeps what pictures are decoded into, in two arenas instead of one for each thread, and uses it again: taking new memory from the
 * system for every picture costs a third of its processor time on virtual machines, where the first touch of a page is slow. Huge pages,
 * where the system leaves them to its programs, make those touches fewer. Blocks above 32 MB, and what is free at the end of the heap, go
 * back to the system. What many answers may take together is not from there (`base64.ts` of the adapter for OpenAI).
 */
const SERVICE_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: String(32 * 1024 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(8 * 1024 * 1024),
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
};

/**
 * Where Node keeps what it has compiled and stripped of types (https://nodejs.org/docs/latest-v24.x/api/module.html#module-compile-cache):
 * it takes a third off the processor time of a start. A folder of this user alone: Node runs what it finds there, so that it must not be
 * one in which others can write, as Node's own default in the temporary folder is. Where it cannot be made, Node goes on without;
 * NODE_COMPILE_CACHE names another folder, and NODE_DISABLE_COMPILE_CACHE=1 switches it off.
 */
const compileCache = process.env.NODE_COMPILE_CACHE ?? ownCacheFolder();

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
// A package has dist/ alone, and a checkout src/ alone: `npm pack` removes the dist/ that it has made.
const isCompiled = existsSync(here('../dist/cli/easel.js'));
const program = isCompiled ? here('../dist/cli/easel.js') : here('../src/cli/easel.ts');
const service = isCompiled ? here('../dist/main.js') : here('../src/main.ts');
if (isCompiled && existsSync(here('../src'))) {
  console.error(
    'Easel runs from dist/, which may be older than src/: it was left behind by npm pack. Remove it with rm -r dist',
  );
}
const [command, ...args] = process.argv.slice(2);

const node = chooseNode();
if (node === null) {
  console.error(`Easel needs Node.js ${OLDEST_NODE} or newer, and this is ${process.version}.`);
  process.exitCode = 1;
} else if (command === 'serve') {
  const environment = {
    ...SERVICE_ENVIRONMENT,
    ...(compileCache !== null && { NODE_COMPILE_CACHE: compileCache }),
    ...process.env,
  };
  // Without arguments there is nothing for the command line to read.
  const started = args.length === 0 ? [service] : [program, command, ...args];
  replaceBy(node, [...process.execArgv, ...SERVICE_FLAGS, ...started], environment);
} else if (node !== process.execPath) {
  replaceBy(node, [...process.execArgv, program, ...process.argv.slice(2)], process.env);
} else {
  if (compileCache !== null) nodeModule.enableCompileCache?.(compileCache);
  await import(pathToFileURL(program).href);
}

/** The Node to run on: this one, or the one that a checkout has installed for its scripts; null where both are missing or too old. */
function chooseNode() {
  if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) return process.execPath;
  const installed = here('../node_modules/node/bin/node');
  return existsSync(installed) ? installed : null;
}

/** Made here, one folder after the other: Node 24.21 tries for ever to make a whole path where there can be none, as below /proc. */
function ownCacheFolder() {
  try {
    let folder = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
    for (const name of ['', 'easel', 'compile']) {
      folder = join(folder, name);
      if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
    }
    return folder;
  } catch {
    return null;
  }
}

/** Runs `program` in place of this process: under its process id where the system can (not Windows, not Node 20), else as its child. */
function replaceBy(program, args, environment) {
  if (process.execve && process.platform !== 'win32') process.execve(program, [program, ...args], environment);
  const child = spawn(program, args, { stdio: 'inherit', env: environment });
  // A terminal sends Ctrl-C to both; a supervisor sends its signal to this process alone.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`Easel could not start ${program}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    for (const name of signals) process.removeAllListeners(name);
    if (signal === null) process.exitCode = code ?? 1;
    else process.kill(process.pid, signal);
  });
}
