// A setup file of the tests with a shared cluster: where that is secured, clients and probes get in without any test having to know.
import { inject } from 'vitest'
import { clientOptionRules } from '../../src/client/client-options.js'
import { setProbeDefaults } from './remoting-probe.js'
import { searchForSecrets } from './secrets.js'

const access = inject('securedAccess')

if (access !== undefined) {
  const { credentials, tls, admin } = access
  const readCredentials = clientOptionRules.credentials.read
  const readTls = clientOptionRules.tls.read
  clientOptionRules.credentials.read = (value, name) => readCredentials(value ?? credentials, name)
  clientOptionRules.tls.read = (value, name) => readTls(value ?? tls, name)
  setProbeDefaults({ credentials: admin, tls })
  searchForSecrets()
  await import('./secret-watch.js')
}
