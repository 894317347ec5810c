// A setup file of the projects whose tests use real secrets: a test fails when one is shown in its log lines, errors, events, console output or clients.
import { EventEmitter } from 'eventemitter3'
import { afterAll, afterEach } from 'vitest'
import { clientOptionRules } from '../../src/client/client-options.js'
import * as api from '../../src/index.js'
import type { Logger } from '../../src/logger.js'
import { areSecretsSearched, secretIn } from './secrets.js'

type Method = (this: unknown, ...args: unknown[]) => unknown

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const found: string[] = []

function look(where: string, value: unknown): void {
  if (!areSecretsSearched()) return
  const place = secretIn(value)
  if (place !== undefined) found.push(`${where} shows a secret: ${place}`)
}

/** What was found since this was last called. */
export function shownSecrets(): string[] {
  return found.splice(0)
}

function failIfFound(): void {
  const places = shownSecrets()
  if (places.length > 0) throw new Error(places.slice(0, 5).join('\n'))
}

afterEach(failIfFound)
afterAll(failIfFound)

for (const level of [...LEVELS, 'log'] as const) {
  const write = console[level]
  console[level] = (...args: unknown[]) => {
    for (const arg of args) look(`console.${level}`, arg)
    write(...args)
  }
}

/** Every line is looked at, also where a client has no logger. */
function watched(logger: Logger): Logger {
  const watching = {} as Logger
  for (const level of LEVELS) {
    watching[level] = (message, fields) => {
      look(`a log line (${level})`, message)
      if (fields !== undefined) look(`a log line (${level})`, fields)
      logger[level](message, fields)
    }
  }
  return watching
}

const readLogger = clientOptionRules.logger.read
clientOptionRules.logger.read = (value, name) => watched(readLogger(value, name))

for (const rule of [clientOptionRules.credentials, clientOptionRules.tls]) {
  const read: (value: unknown, name: string) => unknown = rule.read
  const watching = (value: unknown, name: string): unknown => {
    try {
      return read(value, name)
    } catch (error) {
      look('an error of the options', error)
      throw error
    }
  }
  rule.read = watching as typeof rule.read
}

/** Looks at what a method throws or rejects with. */
function watchErrors(name: string, method: Method): Method {
  return function (...args) {
    if (name.endsWith('.shutdown')) look(`${name.split('.')[0]}, inspected,`, this)
    try {
      const result = method.apply(this, args)
      if (!(result instanceof Promise && areSecretsSearched())) return result
      // Handed on, so that a rejection that nobody handles is still one.
      return result.catch((error: unknown) => lookAndThrow(name, error))
    } catch (error) {
      return lookAndThrow(name, error)
    }
  }
}

function lookAndThrow(name: string, error: unknown): never {
  look(`an error of ${name}`, error)
  throw error
}

function watchMethods(prototype: object, className: string): void {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (name === 'constructor' || typeof value !== 'function') continue
    Object.defineProperty(prototype, name, { value: watchErrors(`${className}.${name}`, value as Method) })
  }
}

const done = new Set<object>([Object.prototype, EventEmitter.prototype, Error.prototype])
for (const one of Object.values(api)) {
  if (typeof one !== 'function' || one.prototype === undefined) continue
  let prototype: object = one.prototype
  while (!done.has(prototype)) {
    done.add(prototype)
    watchMethods(prototype, prototype.constructor.name)
    prototype = Object.getPrototypeOf(prototype)
  }
}

const emitter = EventEmitter.prototype as unknown as { emit: Method }
const { emit } = emitter
emitter.emit = function (...args) {
  for (const arg of args) look(`the event ${String(args[0])}`, arg)
  return emit.apply(this, args)
}
