import { type ClientRequest, Agent as HttpAgent, get as httpGet, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, get as httpsGet } from 'node:https'

const MAX_REDIRECTS = 5

export interface GetLimits {
  /** For all of it, redirects included, in milliseconds. */
  readonly timeout: number
  /** Of the answer's body. */
  readonly maxBytes: number
  readonly signal: AbortSignal
}

type Answer = { readonly text: string } | { readonly location: string }

/**
 * The text that is served at a URL. Redirects are followed within its scheme only, as by the Java client. Proxies of the environment are not asked.
 *
 * @throws Error that says why there is none, without the URL.
 */
export async function getText(url: URL, limits: GetLimits): Promise<string> {
  const expiry = new AbortController()
  const timer = setTimeout(() => expiry.abort(), limits.timeout)
  const signal = AbortSignal.any([expiry.signal, limits.signal])
  let next = url
  try {
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const answer = await get(next, limits.maxBytes, signal)
      if ('text' in answer) return answer.text
      next = redirected(next, answer.location)
    }
  } catch (error) {
    throw expiry.signal.aborted ? new Error(`no answer within ${limits.timeout} ms`) : error
  } finally {
    clearTimeout(timer)
  }
  throw new Error(`more than ${MAX_REDIRECTS} redirects`)
}

function redirected(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) throw new Error('a redirect to what is no URL')
  const to = new URL(location, from)
  if (to.protocol === from.protocol) return to
  throw new Error(`a redirect to ${to.protocol}, only one within ${from.protocol} is followed`)
}

function get(url: URL, maxBytes: number, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage) => read(answer, maxBytes, resolve, reject)
    const headers = { accept: 'text/plain, */*;q=0.1' }
    // An agent of its own: the global one may go by a proxy of the environment.
    const request: ClientRequest =
      url.protocol === 'https:'
        ? httpsGet(url, { agent: new HttpsAgent(), headers, signal }, onAnswer)
        : httpGet(url, { agent: new HttpAgent(), headers, signal }, onAnswer)
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(error.message || error.code, { cause: error })),
    )
  })
}

function read(
  answer: IncomingMessage,
  maxBytes: number,
  resolve: (answer: Answer) => void,
  reject: (error: Error) => void,
): void {
  const { statusCode = 0, headers } = answer
  const isRedirect = statusCode >= 300 && statusCode < 400 && headers.location !== undefined
  if (isRedirect || statusCode !== 200) {
    answer.on('error', () => undefined)
    answer.destroy()
    if (isRedirect) resolve({ location: headers.location ?? '' })
    else reject(new Error(`the answer has the status ${statusCode}, not 200`))
    return
  }
  const chunks: Buffer[] = []
  let length = 0
  answer.on('error', reject)
  answer.on('close', () => reject(new Error('the answer broke off')))
  answer.on('end', () => resolve({ text: Buffer.concat(chunks).toString('utf8') }))
  answer.on('data', (chunk: Buffer) => {
    length += chunk.length
    chunks.push(chunk)
    if (length > maxBytes) answer.destroy(new Error(`the answer is longer than ${maxBytes} bytes`))
  })
}
