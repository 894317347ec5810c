import type { RemotingCommand } from '../codec/remoting-command.js'

/** The answer to a request. */
export interface RemotingResponse<S> {
  readonly code: number
  readonly header: S
  readonly body: Buffer
  readonly address: string
  /** The frame itself, for fields that no definition names. */
  readonly command: RemotingCommand
}
