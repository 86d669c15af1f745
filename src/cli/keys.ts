import { parseArgs } from 'node:util';
import { createKey } from '../security/api-keys.ts';
import { EX_USAGE, USAGE } from './usage.ts';

/** `keys create NAME SCOPE[+SCOPE]`: prints a new secret and its line for `API_KEYS_FILE`. Raises `InvalidKeyError`. */
export function manageKeys(args: string[]): number {
  const [action, name, scopes, ...more] = parseArgs({ args, allowPositionals: true }).positionals;
  if (action !== 'create' || name === undefined || scopes === undefined || more.length > 0) {
    console.error(`expected a name and scopes, such as: easel keys create blog generate+read\n\n${USAGE}`);
    return EX_USAGE;
  }
  const { secret, line } = createKey(name, scopes);
  console.log(`secret, shown only now:\n  ${secret}\nline for API_KEYS_FILE:\n  ${line}`);
  return 0;
}
