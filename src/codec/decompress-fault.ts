import { MessageError } from '../errors.js'

/** The input is malformed at `position`. Whoever asked for the decompression adds which body it was. */
export function corrupt(reason: string, position: number): MessageError {
  return new MessageError('DECOMPRESS_FAILED', reason, { position })
}

/** More would come out than the caller allows. */
export function tooLarge(): MessageError {
  return new MessageError('BODY_TOO_LARGE', 'the output is too large')
}
