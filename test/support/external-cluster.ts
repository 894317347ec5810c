import { type Cluster, type ClusterNode, type ClusterRequest, findNode, nodeName } from './cluster-types.js'
import { brokerVersion, clusterInfo } from './remoting-probe.js'
import { UncontrolledNode } from './uncontrolled-node.js'

/**
 * Takes a cluster that runs already.
 *
 * @param namesrvAddr - `host:port`, several separated by `;`.
 * @throws Error when the first NameServer doesn't answer or lists no master.
 */
export async function useExternalCluster(namesrvAddr: string, request: ClusterRequest): Promise<Cluster> {
  const addresses = namesrvAddr.split(';').map((address) => address.trim())
  const [first = ''] = addresses
  const options = { timeout: 5000, tls: request.tls, credentials: request.credentials }
  const info = await clusterInfo(first, options).catch((error: unknown) => {
    throw new Error(`the NameServer of ROCKETMQ_NAMESRV=${namesrvAddr} does not answer: is it running there?`, {
      cause: error,
    })
  })
  const brokers: ClusterNode[] = []
  for (const [name, members] of info.brokers) {
    for (const [id, address] of members) brokers.push(externalNode(nodeName({ name, id }), address))
  }
  const master = brokers.find((node) => info.brokers.has(node.name))
  if (master === undefined) {
    throw new Error(
      `the NameServer of ROCKETMQ_NAMESRV=${namesrvAddr} lists no master broker: start one that registers there`,
    )
  }
  const version = process.env.ROCKETMQ_VERSION ?? (await brokerVersion(master.address, options).catch(() => 'unknown'))
  const stop = async (): Promise<void> => {}
  return {
    route: 'external',
    version,
    namesrvAddr: addresses.join(';'),
    clusterName: info.clusterNames[0] ?? 'DefaultCluster',
    nameServers: addresses.map((address, index) => externalNode(`namesrv-${index + 1}`, address)),
    brokers,
    proxy: undefined,
    broker: (name) => findNode(brokers, name),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function externalNode(name: string, address: string): ClusterNode {
  return new UncontrolledNode(name, address, 'external', () => '(the log of an external server is not ours to read)')
}
