/** Where a client writes what its user may want to know. `console` and pino (by a small adapter) fit. */
export interface Logger {
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

const nothing = (): void => undefined

/** The default: a library says nothing unless it is asked to. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
