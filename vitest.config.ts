import { defineConfig } from 'vitest/config'
import { UNSERVED } from './test/support/unserved-by-proxy.js'

/** What a test file needs is in its suffix; files without one need nothing. */
const SUFFIXES = ['real', 'proxy', 'fault', 'java', 'package', 'types', 'long']

/** A real cluster is slow to start. Tests wait for it most of the time, so that two files go well side by side. */
const withServers = { hookTimeout: 300_000, maxWorkers: 2 }

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: SUFFIXES.map((suffix) => `test/**/*.${suffix}.test.ts`),
          // Only a test that fails waits so long, or one with much to compute on a machine that is very busy.
          testTimeout: 60_000,
          // They wait for timers and sockets more than they work.
          maxWorkers: 4,
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
          setupFiles: ['test/support/secret-watch.ts'],
          testTimeout: 120_000,
          ...withServers,
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/**/*.real.test.ts'],
          globalSetup: ['test/support/real-cluster-setup.ts'],
          setupFiles: ['test/support/secured-clients.ts'],
          testTimeout: 60_000,
          ...withServers,
        },
      },
      {
        test: {
          name: 'proxy',
          include: ['test/**/*.real.test.ts', 'test/**/*.proxy.test.ts'],
          exclude: UNSERVED.filter(({ tests }) => tests === undefined).map(({ file }) => file),
          runner: './test/support/served-tests-runner.ts',
          globalSetup: ['test/support/proxy-cluster-setup.ts'],
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
      {
        test: {
          name: 'long',
          include: ['test/**/*.long.test.ts'],
          setupFiles: ['test/support/secret-watch.ts'],
          testTimeout: 120_000,
          ...withServers,
          // They measure times, or need the machine for themselves.
          maxWorkers: 1,
        },
      },
    ],
  },
})
