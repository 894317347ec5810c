import { ConsumeTrace } from '../client/trace/consume-trace.js'
import type { TraceDispatcher } from '../client/trace/trace-dispatcher.js'
import type { ConsumeObserver } from './consume-observer.js'
import type { ConsumeRun } from './consumed-queue.js'

/** Writes trace records around each call of the handler. @see ConsumeMessageTraceHookImpl */
export function consumeTraceObserver(dispatcher: TraceDispatcher): ConsumeObserver {
  const traces = new WeakMap<ConsumeRun, ConsumeTrace>()
  return {
    before(run) {
      traces.set(run, new ConsumeTrace(dispatcher, run.messages, run.startTimestamp))
    },
    after(run, { isSuccess, type }) {
      traces.get(run)?.end(isSuccess, type)
    },
  }
}
