// To be imported before a program that uses the package by its name: its clients then take ROCKETMQ_SECURED_OPTIONS, as JSON, for options that they aren't given.
import { register } from 'node:module'

const wrapper = new URL('secured-package.mjs', import.meta.url).href
const resolver = `
export async function resolve(specifier, context, next) {
  if (specifier !== 'rocketmq-remoting' || context.parentURL === '${wrapper}') return next(specifier, context)
  return { url: '${wrapper}', format: 'module', shortCircuit: true }
}`
register(`data:text/javascript,${encodeURIComponent(resolver)}`)
