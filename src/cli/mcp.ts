import type { Command } from 'commander';
import { addressOf } from './service/address.ts';

/** Adds `mcp`. */
export function addMcp(program: Command): void {
  program
    .command('mcp')
    .description('serve an agent over standard input and output (Model Context Protocol)')
    .addHelpText(
      'after',
      '\nAn agent starts it. With --url or EASEL_URL its tools work on that service, with the key in EASEL_API_KEY.' +
        '\n\nExample:\n  EASEL_URL=http://127.0.0.1:3000 easel mcp',
    )
    .action(async (_flags: object, command: Command) => {
      const address = addressOf(command, process.env);
      // Loaded here, not with the command line: `--help` needs none of it.
      const { serveAgent } = await import('./service/serve-agent.ts');
      process.exitCode = await serveAgent(address);
    });
}
