import { open } from 'node:fs/promises';
import type { Command } from 'commander';
import { createKey, SCOPES } from '../security/api-keys.ts';

/** Adds `keys`. */
export function addKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description('make API keys')
    .addHelpText('after', '\nExample:\n  easel keys create blog generate+read --file keys.txt');
  keys
    .command('create')
    .description(
      'make a key: prints its secret on standard error, once, and its line for API_KEYS_FILE on standard output',
    )
    .argument('<name>', 'who uses the key; owns the pictures that are made with it')
    .argument('<scopes>', `${SCOPES.join(', ')}, with + between`)
    .option('--file <file>', 'append the line to this file, made with mode 0600, instead of printing it')
    .addHelpText(
      'after',
      '\nExample:\n  easel keys create blog generate+read --file keys.txt\n\nThe service reads the file again on SIGHUP.',
    )
    .action(async (name: string, scopes: string, { file }: { file?: string }) => {
      const { secret, line } = createKey(name, scopes);
      if (file !== undefined) await appendLine(file, line);
      console.error(`the secret of ${name}, shown only now; send it as "Authorization: Bearer …":\n${secret}`);
      if (file === undefined) console.log(line);
    });
}

/** Appends a line to the file, durably, after a line feed where the last line has none. */
async function appendLine(path: string, line: string): Promise<void> {
  const file = await open(path, 'a+', 0o600);
  try {
    const text = await file.readFile('utf8');
    await file.appendFile(`${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
