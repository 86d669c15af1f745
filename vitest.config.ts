import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/compile-cache.ts'],
    // Processes, not threads: tests open SQLite files and sockets, start the service, and send signals.
    pool: 'forks',
    // More workers than cores: many tests wait for a process, a disk or a clock.
    maxWorkers: 2 * availableParallelism(),
    // Files share loaded modules: loading them again for each took a quarter of the time. No test leaves state in a module.
    isolate: false,
    // Far longer than any test needs, so that none fails on a busy machine.
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 5_000,
    unstubEnvs: true,
    restoreMocks: true,
  },
});
