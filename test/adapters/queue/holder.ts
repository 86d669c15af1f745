import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./replica-process.ts', import.meta.url));

/** A replica in a process of its own, whose jobs run until they are ended. */
export interface Holder {
  /** What it has said so far: `start MEDIA-ID` and `end MEDIA-ID`, a line each. */
  said(): string;
  end(mediaId: string): void;
  signal(signal: NodeJS.Signals): void;
  /** Kills it. */
  close(): Promise<void>;
}

/** Starts it over the database of this URL. */
export function startHolder(url: string, concurrency: number): Holder {
  const child = spawn(process.execPath, [SCRIPT, url, String(concurrency)], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  return {
    said: () => output,
    end: (mediaId) => child.stdin.write(`${mediaId}\n`),
    signal: (signal) => child.kill(signal),
    async close() {
      const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
      child.kill('SIGKILL');
      await ended;
    },
  };
}
