import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const NOBODY = '127.0.0.1:1'

// The examples import the package by its name; the set-up of this project has built it.
test.concurrent.each(readdirSync('examples').filter((name) => name.endsWith('.ts')))(
  '%s ends with an exit code of 1 and says why when no NameServer answers',
  async (name) => {
    const failure = run(process.execPath, ['--import', 'tsx', `examples/${name}`, 'T'], {
      env: { ...process.env, NAMESRV_ADDR: NOBODY },
      timeout: 60_000,
    })
    await expect(failure).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`no NameServer of ${NOBODY} can be reached`),
    })
  },
)
