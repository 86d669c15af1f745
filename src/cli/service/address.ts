import type { Command } from 'commander';
import { ConfigError } from '../../config/config.ts';
import { UsageError } from '../failure.ts';

/** A running service, and the key for it. */
export interface Address {
  /** Without a slash at its end. */
  readonly url: string;
  readonly apiKey: string | null;
}

/** Commands that work on a running service too. */
const TAKES_URL: ReadonlySet<string> = new Set([
  'generate',
  'list',
  'get',
  'cancel',
  'retry',
  'rm',
  'cleanup',
  'models',
  'presets',
  'doctor',
  'mcp',
]);

/** Adds `--url` for all commands, and refuses it where a command works on this machine alone. */
export function addUrlOption(program: Command): Command {
  return program
    .option('--url <url>', 'work on the running service at this address; default: EASEL_URL, else no service is needed')
    .configureHelp({
      showGlobalOptions: true,
      visibleGlobalOptions: (command) =>
        takesUrl(pathOf(command)[0] ?? '') ? program.options.filter(({ long }) => long === '--url') : [],
    })
    .hook('preAction', (_program, action) => {
      const [name = '', ...rest] = pathOf(action);
      if (program.opts<{ url?: string }>().url === undefined || takesUrl(name)) return;
      throw new UsageError(`--url: ${[name, ...rest].join(' ')} works on this machine alone; leave out --url`);
    });
}

/** Whether this command works on a running service, too. */
export function takesUrl(name: string): boolean {
  return TAKES_URL.has(name);
}

function pathOf(command: Command): readonly string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

/**
 * The service that `--url`, or else `EASEL_URL`, names; null where neither does. The key comes from `EASEL_API_KEY` alone, as arguments
 * are seen by every process of the machine. Raises `UsageError` and `ConfigError` for what is wrong with them.
 */
export function addressOf(command: Command, env: Readonly<Record<string, string | undefined>>): Address | null {
  const { url: option } = command.optsWithGlobals<{ url?: string }>();
  const url = option ?? (env.EASEL_URL || undefined);
  if (url === undefined) return null;
  const issue = issueOf(url);
  if (issue !== null && option !== undefined) throw new UsageError(`--url: ${issue}`);
  if (issue !== null) throw new ConfigError([`EASEL_URL: ${issue}`]);
  const apiKey = env.EASEL_API_KEY || null;
  if (apiKey !== null && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new ConfigError(['EASEL_API_KEY: must be visible ASCII characters, without spaces']);
  }
  return { url: new URL(url).href.replace(/\/+$/, ''), apiKey };
}

function issueOf(text: string): string | null {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return 'must be an http or https URL, such as http://127.0.0.1:3000';
  }
  const isPlain = [url.username, url.password, url.search, url.hash].every((part) => part === '');
  return isPlain ? null : 'must hold no user, no password and no query; the key comes from EASEL_API_KEY';
}
