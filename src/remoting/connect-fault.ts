/** What an operating system's error means for someone who runs a cluster. */
export function explainConnectFault(error: NodeJS.ErrnoException): string {
  if (error instanceof AggregateError) return explainAll(error.errors)
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'refused (ECONNREFUSED): nothing listens there'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name can't be resolved (${error.code})`
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `no way to that address (${error.code})`
    default:
      return error.message || String(error.code)
  }
}

interface OfAddress extends NodeJS.ErrnoException {
  readonly address?: string
}

/** A name with several addresses, none of which can be reached. */
function explainAll(errors: readonly OfAddress[]): string {
  const reasons = errors.map((error) => `${error.address}: ${explainOne(error)}`)
  return `none of the host's addresses is reached: ${reasons.join('; ')}`
}

function explainOne(error: OfAddress): string {
  // Node gives up an address that does not answer soon, and tries the next.
  return error.code === 'ETIMEDOUT' ? 'no answer (ETIMEDOUT)' : explainConnectFault(error)
}
