import { expect, it, vi } from 'vitest'
import { CallSignal } from '../../src/consumer/call-signal.js'
import { sleep, withDeadline } from '../../src/remoting/deadline.js'
import { rejectionOf } from '../support/until.js'

it('tells who listens once, with the reason, and nobody who has left', () => {
  const signal = new CallSignal()
  const [stays, leaves] = [vi.fn(), vi.fn()]
  signal.addEventListener('abort', stays)
  signal.addEventListener('abort', leaves)
  signal.removeEventListener('abort', leaves)
  signal.removeEventListener('abort', leaves)
  signal.throwIfAborted()
  expect(signal).toMatchObject({ aborted: false, reason: undefined })
  const reason = new Error('enough')
  signal.abort(reason)
  signal.abort(new Error('late'))
  expect(stays).toHaveBeenCalledOnce()
  expect(leaves).not.toHaveBeenCalled()
  expect(signal).toMatchObject({ aborted: true, reason })
  expect(() => signal.throwIfAborted()).toThrow(reason)
})

it('ends what waits under it, as an AbortSignal does', async () => {
  const signal = new CallSignal()
  const never = new Promise<void>(() => undefined)
  const waits = [
    sleep(60_000, signal, 'a pause'),
    withDeadline(never, 60_000, signal, 'a call', () => new Error('late')),
  ]
  const reason = new Error('enough')
  signal.abort(reason)
  for (const wait of waits) expect(await rejectionOf(wait)).toMatchObject({ code: 'ABORTED', cause: reason })
  expect(await rejectionOf(sleep(60_000, signal, 'a pause'))).toMatchObject({ code: 'ABORTED', cause: reason })
})
