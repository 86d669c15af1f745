import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Own processes: tests open SQLite files and sockets, start the service, and send signals.
    pool: 'forks',
    maxWorkers: '150%',
    isolate: false,
    // Far above what any test needs, so that a busy machine fails none of them; far below a hang that nobody waits for.
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 5_000,
    unstubEnvs: true,
    restoreMocks: true,
  },
});
