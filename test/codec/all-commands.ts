import { readdirSync } from 'node:fs'
import { type Command, HeaderCodec } from '../../src/codec/command.js'

export type AnyCommand = Command<Record<string, unknown>, Record<string, unknown>>

const FOLDER = new URL('../../src/remoting/commands/', import.meta.url)

/** Every command that a module of src/remoting/commands exports, so that none is forgotten. */
export async function allCommands(): Promise<readonly AnyCommand[]> {
  const commands: AnyCommand[] = []
  for (const file of readdirSync(FOLDER).sort()) {
    const module = (await import(new URL(file, FOLDER).href)) as Record<string, unknown>
    commands.push(...Object.values(module).filter(isCommand))
  }
  if (commands.length === 0) throw new Error('src/remoting/commands exports no command')
  return commands
}

function isCommand(value: unknown): value is AnyCommand {
  return typeof value === 'object' && value !== null && 'request' in value && value.request instanceof HeaderCodec
}
