import type { Client } from './client.js'
import type { ConnectionOptions } from './client-options.js'

/** What every producer and consumer takes. */
export interface ClientOptions extends ConnectionOptions {
  /** Share one `Client` (sockets, routes, heartbeats). With it, the options above belong to that client and can't be given again. */
  client?: Client
}
