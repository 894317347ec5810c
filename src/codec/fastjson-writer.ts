/** What stands in the JSON that Java's fastjson reads. Members that are undefined are left out. */
export type Printable =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Printable[]
  | PrintableEntries
  | { readonly [key: string]: Printable }

/** A Java map whose keys are objects. */
export class PrintableEntries {
  readonly entries: readonly (readonly [key: Printable, value: Printable])[]

  constructor(entries: readonly (readonly [key: Printable, value: Printable])[]) {
    this.entries = entries
  }
}

/**
 * Prints for fastjson: JSON, but for maps whose keys are objects, which stand there as they are: `{{"brokerName":"b","queueId":0,"topic":"t"}:5}`. Keys in quotes, which
 * would be JSON, are refused from 5.4.0 on.
 */
export function printFastjson(value: Printable): string {
  if (value instanceof PrintableEntries) {
    return `{${value.entries.map(([key, member]) => `${printFastjson(key)}:${printFastjson(member)}`).join()}}`
  }
  if (Array.isArray(value)) return `[${value.map(printFastjson).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null)
  const members = Object.entries(value as { readonly [key: string]: Printable }).filter(
    ([, member]) => member !== undefined,
  )
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${printFastjson(member)}`).join()}}`
}
