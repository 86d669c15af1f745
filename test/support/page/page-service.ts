/** The service as a process of its own, with the stand-in model API as its provider, which can be stopped and started again. */

import { type RunningService, startService } from '../app/process.ts';
import { type OpenAiServer, startOpenAiServer } from '../openai/server.ts';
import { temporaryFolder } from '../temporary-folder.ts';

export interface PageService extends AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  readonly upstream: OpenAiServer;
  /** Ends the process at once, as a crash does. */
  kill(): Promise<void>;
  /** Stops the process as it stands: it keeps its connections, and answers nothing until `resume`. */
  suspend(): void;
  resume(): void;
  /** Starts the process again after `kill`, at the same URL with the same data; other settings are as at first, but for these. */
  restart(env?: Readonly<Record<string, string>>): Promise<void>;
}

const NEVER_OVERLOADED = new URL('../never-overloaded.ts', import.meta.url);

/** Starts the service with these settings; it listens when the promise resolves. `prepare` fills its folder before. */
export async function startPageService(
  env: Readonly<Record<string, string>> = {},
  prepare: (folder: string) => Promise<void> = async () => {},
): Promise<PageService> {
  await using parts = new AsyncDisposableStack();
  const { path: folder } = parts.use(await temporaryFolder());
  await prepare(folder);
  const upstream = await startOpenAiServer();
  parts.defer(() => upstream.close());
  const settings = {
    OPENAI_API_KEY: upstream.key ?? 'none',
    OPENAI_BASE_URL: upstream.baseUrl,
    IMAGE_SIZE: '1024x640',
    ...env,
  };
  let running: RunningService = await startService({ folder, env: settings, preload: NEVER_OVERLOADED });
  parts.defer(() => running[Symbol.asyncDispose]());
  const { url } = running;
  const owned = parts.move();
  return {
    url,
    folder,
    upstream,
    async kill() {
      running.child.kill('SIGKILL');
      await running.exited;
    },
    suspend: () => void running.child.kill('SIGSTOP'),
    resume: () => void running.child.kill('SIGCONT'),
    async restart(more = {}) {
      const env = { ...settings, ...more, PORT: new URL(url).port };
      running = await startService({ folder, env, preload: NEVER_OVERLOADED });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
