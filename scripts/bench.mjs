// Runs the benchmark, with everything that it needs: packages, build, peers. For the options: npm run bench -- --help
import path from 'node:path'
import { root, runInstalled } from './lib/run.mjs'
import { install, main, setUp } from './lib/set-up.mjs'

await main(async () => {
  const args = process.argv.slice(2)
  await setUp()
  if (!args.includes('--report')) await install(path.join(root, 'bench', 'peers'))
  process.exitCode = await runInstalled('tsx/dist/cli.mjs', [path.join('bench', 'main.ts'), ...args])
})
