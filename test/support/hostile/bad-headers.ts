import { ANSWER, ONEWAY } from '../scripted-server.js'
import { type BadKind, binary, costly, headerOf, json, kind, lazy, pick, withHeader } from './answer.js'

const INT_MAX = 2 ** 31 - 1
/** What no command takes for an answer. */
const UNKNOWN_CODES = [-1, 2, 3, 4, 99, 207, 9999, 32_768, 200_050, INT_MAX, -(2 ** 31)]
/** What servers refuse with. */
const REFUSALS = [1, 2, 13, 14, 16, 17, 24, 25, 26, 205, 215, 1500]
const SPECIAL_NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '']
const NUMBERS = ['-1', '0', '2147483647', '2147483648', '-2147483649', '9007199254740991', '9007199254740993']
const NO_NUMBERS = ['', 'x', '1.5', '1e3', '0x10', ' 1', '9223372036854775808', '-9223372036854775809', 'NaN', '٣']

const LONG_REMARKS = ['x', ' ', 'AclException: ', ', '].map((text) => text.repeat(500_000).slice(0, 500_000))
const manyFields = lazy(() => `{${Array.from({ length: 65_537 }, (_, i) => `"f${i.toString(36)}":""`).join(',')}}`)

/** Frames that can be read and say what makes no sense: bad for their request alone, and the connection goes on. */
export const badHeaders: readonly BadKind[] = [
  kind('a code that nobody knows', 'refused', (answer, random) =>
    json({ ...answer, code: pick(UNKNOWN_CODES, random) }, { remark: pick([undefined, '', 'what?'], random) }),
  ),
  kind('a refusal', 'open', (answer, random) =>
    json({ ...answer, code: pick(REFUSALS, random) }, { remark: pick([undefined, null, '', 'no', '\u0000'], random) }),
  ),
  costly(
    kind('a refusal with a remark of half a mebibyte', 'refused', (answer, random) =>
      json({ ...answer, code: 13 }, { remark: pick(LONG_REMARKS, random) }),
    ),
  ),
  kind('GO_AWAY', 'open', (answer) => json({ ...answer, code: 1500 }, { remark: 'go away' })),
  kind('a success without its header', 'open', (answer) => json({ ...answer, fields: {} })),
  kind('a success without one of its fields', 'open', (answer, random) => {
    const names = Object.keys(answer.fields)
    const gone = pick(names, random)
    return json({
      ...answer,
      fields: Object.fromEntries(Object.entries(answer.fields).filter(([name]) => name !== gone)),
    })
  }),
  kind('a field that is no number', 'open', (answer, random) => {
    const fields = { ...answer.fields, [pick(Object.keys(answer.fields), random) ?? 'x']: pick(NO_NUMBERS, random) }
    return json({ ...answer, fields })
  }),
  kind('a field that is another number', 'open', (answer, random) => {
    const fields = { ...answer.fields, [pick(Object.keys(answer.fields), random) ?? 'x']: pick(NUMBERS, random) }
    return random(2) === 0 ? json({ ...answer, fields }) : binary(answer, fields)
  }),
  kind('fields that are null, numbers or booleans', 'open', (answer, random) =>
    json(answer, {
      extFields: Object.fromEntries(
        Object.keys(answer.fields).map((name) => [name, pick([null, 7, -1, 0.5, true, 2 ** 60], random)]),
      ),
    }),
  ),
  kind('fields with names that every object has', 'open', (answer, random) => {
    const named = SPECIAL_NAMES.map((name) => [name, pick(['x', '1', 'polluted'], random)])
    const fields = Object.fromEntries([...Object.entries(answer.fields), ...named])
    return random(2) === 0 ? json({ ...answer, fields }) : binary(answer, fields)
  }),
  costly(
    kind('more fields than a header may have', 'refused', (answer) => {
      const text = JSON.stringify({ ...headerOf(answer), extFields: 'many' })
      return withHeader(answer, text.replace('"many"', manyFields()))
    }),
  ),
  kind('an unknown language or version', 'open', (answer, random) =>
    json(answer, {
      language: pick([undefined, null, 'KLINGON', 99, {}, []], random),
      version: pick([0, -1, INT_MAX, null, 32_768], random),
    }),
  ),
  kind('a remark that is no text', 'open', (answer, random) =>
    json(answer, { remark: pick<unknown>([7, {}, [], true, { toString: 'x' }], random) }),
  ),
  kind('an answer to a request that there never was', 'silence', (answer, random) =>
    json({ ...answer, opaque: pick([-1, -(2 ** 31), INT_MAX, answer.opaque + 1_000_000], random) }),
  ),
  kind('an answer that comes twice', 'open', (answer) => Buffer.concat([json(answer), json(answer)])),
  kind('an answer that says it is a request', 'silence', (answer, random) =>
    json(answer, { flag: pick([0, ONEWAY, 4], random) }),
  ),
  kind('an answer with flags that nobody knows', 'open', (answer) => json(answer, { flag: ANSWER | ONEWAY | 0x7ff0 })),
]
