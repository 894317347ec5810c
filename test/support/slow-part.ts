/** A character, a class of them or a group's border, and how often it may come. */
interface Token {
  readonly text: string
  readonly quantifier: string
}

const TOKEN = /(\\.|\[(?:\\.|[^\]\\])*\]|\(\?[:=!]|\(\?<[=!]|[\s\S])([*+?]\??|\{\d+(?:,\d*)?\}\??)?/g

const GROUP_BORDERS = new Set(['(', '(?:', ')'])

/**
 * The part of a regular expression that may make it take more than linear time, by a rule that is simple and strict. What is repeated without a limit must be a single
 * character or class, in an expression that begins at the start of the text, and what follows it must begin otherwise, so that there is one way to read a text.
 */
export function slowPart(pattern: string): string | undefined {
  const tokens = [...pattern.matchAll(TOKEN)].map(([, text = '', quantifier = '']): Token => ({ text, quantifier }))
  for (const [index, { text, quantifier }] of tokens.entries()) {
    if (!isUnlimited(quantifier)) continue
    const part = text + quantifier
    if (text === ')' || tokens[0]?.text !== '^') return part
    const behind = tokens.slice(index + 1)
    const at = behind.findIndex((token) => !GROUP_BORDERS.has(token.text))
    const next = behind[at]?.text ?? '$'
    const mayBeOther = behind.slice(0, at).some(({ text }) => text !== ')') && behind.some(({ text }) => text === '|')
    if (next === '|' || mayBeOther || (next !== '$' && overlap(text, next))) return part
  }
  return undefined
}

function isUnlimited(quantifier: string): boolean {
  return /^[*+]/.test(quantifier) || /^\{\d+,\}/.test(quantifier)
}

/** Whether some character fits both. */
function overlap(one: string, other: string): boolean {
  const [a, b] = [new RegExp(`^${one}$`, 's'), new RegExp(`^${other}$`, 's')]
  for (let code = 0; code < 0x3000; code++) {
    const character = String.fromCharCode(code)
    if (a.test(character) && b.test(character)) return true
  }
  return false
}
