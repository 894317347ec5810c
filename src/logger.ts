/** Where a client writes what its user may want to know. `console` and pino (by a small adapter) fit. */
export interface Logger {
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

const nothing = (): void => undefined

/** A user's logger that throws fails nothing: what is written down may be written in the middle of anything. One for each logger. */
export function guardLogger(logger: Logger): Logger {
  let guarded = guardedLoggers.get(logger)
  if (guarded === undefined) {
    guarded = {
      debug: (message, fields) => attempt(() => logger.debug(message, fields)),
      info: (message, fields) => attempt(() => logger.info(message, fields)),
      warn: (message, fields) => attempt(() => logger.warn(message, fields)),
      error: (message, fields) => attempt(() => logger.error(message, fields)),
    }
    guardedLoggers.set(logger, guarded)
  }
  return guarded
}

const guardedLoggers = new WeakMap<Logger, Logger>()

function attempt(write: () => void): void {
  try {
    write()
  } catch {
    // There is nobody left to tell.
  }
}

/** The default: a library says nothing unless it is asked to. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
