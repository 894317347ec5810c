// Makes a clone ready: npm ci and the build, where they are due. Folders given as arguments, which have lock files of their own, are installed too.
import path from 'node:path'
import { root } from './lib/run.mjs'
import { install, main, setUp } from './lib/set-up.mjs'

await main(async () => {
  await setUp()
  for (const folder of process.argv.slice(2)) await install(path.resolve(root, folder))
})
