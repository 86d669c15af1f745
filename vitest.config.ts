import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/compile-cache.ts'],
    // Own processes: tests open SQLite files and sockets, start the service, and send signals.
    pool: 'forks',
    // Many tests wait for a process, a disk or a clock.
    maxWorkers: 2 * availableParallelism(),
    // Loading the modules anew for every file took a quarter of the time. A test leaves nothing behind in them.
    isolate: false,
    // Far above what any test needs, so that a busy machine fails none of them; far below a hang that nobody waits for.
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 5_000,
    unstubEnvs: true,
    restoreMocks: true,
  },
});
