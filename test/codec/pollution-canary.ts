import { afterAll, beforeAll, expect } from 'vitest'

const PROTOTYPES = [Object.prototype, Array.prototype, String.prototype, Function.prototype, Buffer.prototype]

function allKeys(): string[] {
  return PROTOTYPES.flatMap((prototype) => Reflect.ownKeys(prototype).map(String))
}

/** Fails a test file that leaves a new key on a prototype which every object inherits from. */
export function watchPrototypes(): void {
  let before: string[] = []
  beforeAll(() => {
    before = allKeys()
  })
  afterAll(() => expect(allKeys()).toEqual(before))
}
