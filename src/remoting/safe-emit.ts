import type { Logger } from '../logger.js'

interface Emitting {
  emit(event: string, ...payload: unknown[]): boolean
}

/** Emits to listeners of the user. One that throws must not stop ours: its error goes to the logger. */
export function safeEmit(emitter: object, logger: Logger, event: string, payload: unknown): boolean {
  try {
    return (emitter as Emitting).emit(event, payload)
  } catch (error) {
    logger.error(`a listener of the event ${event} threw`, { error })
    return true
  }
}
