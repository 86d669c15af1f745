import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';
import config, { CLUSTER } from '../vitest.config.ts';

/** `npm run test:cluster`: the tests in folders named `cluster`, in the same way as the others. */
export default defineConfig({
  test: {
    ...config.test,
    include: [CLUSTER],
    exclude: configDefaults.exclude,
    // Each of them starts enough processes by itself.
    maxWorkers: availableParallelism(),
  },
});
