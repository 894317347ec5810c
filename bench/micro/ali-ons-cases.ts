import { createRequire } from 'node:module'
import { bodyOf, TAGS } from '../clients/job.js'
import { sizeName } from '../workloads.js'
import { DECODE_FULLY, FRAMES, PULLED, storedBatch, TOPIC } from './codec-cases.js'
import type { Case } from './micro-case.js'
import { type FullyDecoded, readFully } from './read-fully.js'

/** The codec of ali-ons, which has no types. */
interface Command {
  body: Buffer
  encode(): Buffer
}
interface Commands {
  createRequestCommand(code: number, header: object): Command
}
interface Decoder {
  decodes(bytes: object): FullyDecoded[]
  messageProperties2String(properties: object): string
}
interface Bytes {
  wrap(bytes: Buffer): object
}

// This file runs compiled, from bench/dist/bench/micro.
const peers = createRequire(new URL('../../../peers/package.json', import.meta.url))
const SEND_MESSAGE_V2 = 310

/** The same work as {@link codecCases} does. */
export function aliOnsCases(): Case[] {
  const commands = peers('ali-ons/lib/protocol/command/remoting_command') as Commands
  const decoder = peers('ali-ons/lib/message/message_decoder') as Decoder
  const bytes = peers('byte') as Bytes
  return [128, 1024].flatMap((size) => [encodeSend(commands, decoder, size), decodeStored(decoder, bytes, size)])
}

function encodeSend(commands: Commands, decoder: Decoder, size: number): Case {
  const payload = bodyOf(size)
  const body = (): void => {
    for (let index = 0; index < FRAMES; index++) {
      const properties = decoder.messageProperties2String({ TAGS, WAIT: 'true' })
      const command = commands.createRequestCommand(SEND_MESSAGE_V2, {
        a: 'order-service',
        b: TOPIC,
        c: 'TBW102',
        d: 4,
        e: index & 7,
        f: 0,
        g: Date.now(),
        h: 0,
        i: properties,
        j: 0,
        k: false,
        l: undefined,
      })
      command.body = payload
      command.encode()
    }
  }
  return { name: `encode a send request, ${sizeName(size)}`, by: 'ali-ons', operations: FRAMES, body }
}

function decodeStored(decoder: Decoder, bytes: Bytes, size: number): Case {
  const stored = storedBatch(size)
  const body = (): void => {
    for (const message of decoder.decodes(bytes.wrap(stored))) readFully(message)
  }
  return { name: `${DECODE_FULLY}, ${sizeName(size)}`, by: 'ali-ons', operations: PULLED, body }
}
