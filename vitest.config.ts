import { defineConfig } from 'vitest/config'

/** What a test file needs is in its suffix; files without one need nothing. */
const SUFFIXES = ['real', 'fault', 'java', 'package', 'types']

/** A real cluster is slow to start, and files that share one, or the machine, run one after the other. */
const withServers = { hookTimeout: 300_000, fileParallelism: false }

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: SUFFIXES.map((suffix) => `test/**/*.${suffix}.test.ts`),
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['test/**/*.types.test.ts'],
            tsconfig: 'test/types/tsconfig.json',
          },
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/**/*.package.test.ts'],
          globalSetup: ['test/package/package-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'java',
          include: ['test/**/*.java.test.ts'],
          testTimeout: 120_000,
          ...withServers,
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/**/*.real.test.ts'],
          globalSetup: ['test/support/real-cluster-setup.ts'],
          testTimeout: 60_000,
          ...withServers,
        },
      },
      {
        test: {
          name: 'fault',
          include: ['test/**/*.fault.test.ts'],
          testTimeout: 120_000,
          ...withServers,
        },
      },
    ],
  },
})
