import { codecCases } from './micro-cases.js'
import { timeCase } from './time-case.js'

// Runs compiled, in a process of its own: `npm run bench -- --micro`.
console.log(`Node ${process.version}\n`)
console.log('| case | CPU ns, median | min–max | a second |')
console.log('| --- | ---: | ---: | ---: |')
for (const { name, operations, body } of codecCases()) {
  const { median, min, max } = timeCase(operations, body)
  const rate = Math.round(1e9 / median).toLocaleString('en')
  console.log(`| ${name} | ${median.toFixed(0)} | ${min.toFixed(0)}–${max.toFixed(0)} | ${rate} |`)
}
