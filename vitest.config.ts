import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';
import { COMPILE_CACHE } from './test/support/compile-cache.ts';
import { FileOrder } from './test/support/file-order.ts';
import { LONGEST_WAIT_MS } from './test/support/until.ts';

// For the processes of the tests and their threads, each of which would strip the types of its modules anew.
process.env.NODE_COMPILE_CACHE ??= COMPILE_CACHE;

/** Tests that take minutes, of processes over one PostgreSQL: `npm run test:cluster` runs them, by `test/cluster.config.ts`. */
export const CLUSTER = 'test/**/cluster/**/*.test.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, CLUSTER],
    globalSetup: ['test/support/compile-cache.ts', 'test/support/postgres/shared-server.ts'],
    // Processes, not threads: tests open SQLite files and sockets, start the service, and send signals.
    pool: 'forks',
    // More workers than cores: many tests wait for a process, a disk or a clock.
    maxWorkers: 2 * availableParallelism(),
    sequence: { sequencer: FileOrder },
    // Files share loaded modules: loading them again for each took a quarter of the time. No test leaves state in a module.
    isolate: false,
    // Far longer than any test needs: a machine that is busy with other work may be ten times slower. What a test waits for has its own
    // limit, which is shorter (LONGEST_WAIT_MS), so that a failure says what it was.
    testTimeout: 3 * LONGEST_WAIT_MS,
    hookTimeout: 3 * LONGEST_WAIT_MS,
    teardownTimeout: LONGEST_WAIT_MS,
    expect: { poll: { timeout: LONGEST_WAIT_MS, interval: 20 } },
    unstubEnvs: true,
    restoreMocks: true,
  },
});
