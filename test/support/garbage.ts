import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Collects all garbage, now. */
export function collectGarbage(): void {
  gc()
}

/** Bytes of the heap in use after garbage was collected. */
export function usedHeap(): number {
  gc()
  gc()
  return process.memoryUsage().heapUsed
}
