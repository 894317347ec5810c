import { ensureJars } from '../jars.js'

const [version] = process.argv.slice(2)
if (version === undefined) throw new Error('usage: tsx ensure-jars.ts VERSION')
console.log(await ensureJars(version))
