import { parseArgs } from 'node:util';
import { createKey } from '../security/api-keys.ts';
import { EX_USAGE, USAGE } from './usage.ts';

export function manageKeys(args: string[]): number {
  const [command, name, scopes, ...more] = parseArgs({ args, allowPositionals: true }).positionals;
  if (command !== 'create' || name === undefined || scopes === undefined || more.length > 0) {
    console.error(`say what to make, such as: easel keys create blog generate+read\n\n${USAGE}`);
    return EX_USAGE;
  }
  const { secret, line } = createKey(name, scopes);
  console.log(`secret, shown only now:\n  ${secret}\nline for API_KEYS_FILE:\n  ${line}`);
  return 0;
}
