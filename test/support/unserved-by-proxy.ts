/** Tests of the project `real` that can't go through a proxy. */
export interface Unserved {
  readonly file: string
  /** As Vitest writes them, `suite > test`; also a suite as a whole. Default: all of the file. */
  readonly tests?: readonly string[]
  readonly reason: string
}

/** What becomes of these features there is tested by `test/client/proxy.proxy.test.ts`. */
export const UNSERVED: readonly Unserved[] = [
  {
    file: 'test/examples.real.test.ts',
    reason:
      'examples make their topics by a first message, and routes that a proxy keeps tell of those a moment too late',
  },
  {
    file: 'test/support/cluster.smoke.real.test.ts',
    reason: 'the tests ask a NameServer for its brokers (GET_BROKER_CLUSTER_INFO)',
  },
  {
    file: 'test/producer/request-reply.real.test.ts',
    reason: 'a proxy takes no replies (SEND_REPLY_MESSAGE_V2), and pushes none',
  },
  {
    file: 'test/producer/transaction.real.test.ts',
    reason: 'a proxy drops the ends of transactions until the broker has asked for them',
  },
  {
    file: 'test/producer/vip-channel.real.test.ts',
    reason: 'a proxy has one port for the remoting protocol',
  },
  {
    file: 'test/producer/priority.real.test.ts',
    tests: [
      'a message with a priority > brings one warning for a topic created by its first message',
      'a message with a priority > brings one warning for a topic of the type FIFO',
    ],
    reason: 'a proxy does not tell the type of a topic (GET_TOPIC_CONFIG)',
  },
  {
    file: 'test/consumer/console.real.test.ts',
    reason: 'the tests are a console that asks brokers, and those know of no consumer behind a proxy',
  },
  {
    file: 'test/consumer/simple-consumer.real.test.ts',
    reason: 'no POP: a proxy takes POP_MESSAGE for a pull, and does not answer ACK_MESSAGE',
  },
  {
    file: 'test/consumer/pop-push.real.test.ts',
    reason: 'no POP',
  },
  {
    file: 'test/client/addresses.real.test.ts',
    tests: [
      'all kinds of clients find a cluster by an address server',
      'all kinds of clients reach a cluster by a SOCKS5 proxy alone',
      'all kinds of clients work in a namespace v2, alone and beside one of v1',
    ],
    reason: 'no POP',
  },
  {
    file: 'test/client/addresses.real.test.ts',
    tests: ['a broker that can not be reached is told of with the NameServer that names it'],
    reason: 'routes name no broker, but the proxy',
  },
  {
    file: 'test/consumer/handler-features.real.test.ts',
    tests: ['a SimpleConsumer at a real broker'],
    reason: 'no POP',
  },
  {
    file: 'test/consumer/hanging-handler.real.test.ts',
    tests: [
      'a message on which a handler hangs > holds up no other message in POP mode, is kept from others until its time is over, and comes again then',
    ],
    reason: 'no POP',
  },
  {
    file: 'test/consumer/consumer-features.real.test.ts',
    tests: [
      'members whose queues a real broker divides',
      'members of a group at a real broker > of several groups live on one client, and go one by one',
      'members of a group at a real broker > have, with unitMode true, a retry topic with the flags 2',
      'members of a group at a real broker > have, with unitMode false, a retry topic with the flags 0',
    ],
    reason:
      'a proxy keeps the members of a group to itself: brokers divide no queues among them (QUERY_ASSIGNMENT), and make the retry topic when the first message comes back',
  },
  {
    file: 'test/consumer/rebalance.real.test.ts',
    tests: [
      'members of a group at a real broker > divide the queues anew as soon as one comes or goes, each queue for one of them',
      'members of a group at a real broker > divide them when one is gone without a word',
      'members of a group at a real broker > share a retry topic, which the broker makes when it hears of the group',
      'members of a group at a real broker > that subscribe to different tags are warned, both the one that was there and the one that comes',
      'heartbeats of version 2 at a real broker',
      'queues that a real broker divides',
    ],
    reason:
      'a proxy does not tell members that others came or went (NOTIFY_CONSUMER_IDS_CHANGED), and these do not look by themselves',
  },
  {
    file: 'test/consumer/rebalance.real.test.ts',
    tests: [
      'members of a group at a real broker > start with an SQL92 expression that the broker understands, and not with another',
    ],
    reason: 'a proxy says yes to every expression (CHECK_CLIENT_CONFIG)',
  },
  {
    file: 'test/consumer/lite-pull.real.test.ts',
    tests: [
      'LitePullConsumer against a real broker > gets only what its expression selects: tags, of which only the hash is equal for others, and SQL92',
    ],
    reason: 'it has an expression that is wrong, too',
  },
  {
    file: 'test/consumer/pull-consumer.real.test.ts',
    tests: [
      'PullConsumer against a real broker > finds offsets: least, greatest, by time, and the time of the oldest message',
    ],
    reason: 'a proxy does not know GET_EARLIEST_MSG_STORETIME',
  },
]
