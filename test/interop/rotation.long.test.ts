import { expect, onTestFinished, test } from 'vitest'
import { accessControlOf, createRules } from '../support/access-control.js'
import { startCluster } from '../support/cluster.js'
import { sendWhileRotating } from '../support/rotation.js'
import { serverTls } from '../support/server-tls.js'

const { ROCKETMQ_VERSION: version = '5.5.0' } = process.env
/** A little above what is promised, since the pace never gets ahead of the clock. */
const RATE = 2_200

test('credentials that are replaced five times under 2,000 sends a second, over mutual TLS, make no send fail', async () => {
  const access = accessControlOf(version)
  const tls = await serverTls('mutual')
  onTestFinished(() => tls.remove())
  const cluster = await startCluster({
    route: 'java',
    version,
    jvmOptions: tls.jvmOptions,
    files: access.files,
    config: { ...access.config, osPageCacheBusyTimeOutMills: '10000' },
    credentials: access.admin,
    tls: tls.probe,
    log: () => {},
  })
  onTestFinished(() => cluster.stop())
  await createRules(access, cluster, tls.probe)
  const rotation = { cluster, access, rate: RATE, count: 5, sendsAfter: 4 * RATE, tls }
  const { sent, seconds, failures } = await sendWhileRotating(rotation)
  console.log(
    `${sent} sends in ${seconds.toFixed(1)} s, ${Math.round(sent / seconds)} a second, ${failures.length} failed`,
  )
  expect(failures).toEqual([])
}, 300_000)
