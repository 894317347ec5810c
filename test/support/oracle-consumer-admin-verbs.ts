import type { ClusterArgs, JavaConsumerConnection, QueueName } from './oracle-verbs.js'

/** Java's `ConsumerRunningInfo`. */
export interface JavaRunningInfo {
  readonly properties: Readonly<Record<string, string>>
  readonly subscriptionSet: readonly (JavaConsumerConnection['subscriptions'][number] & {
    readonly classFilterMode: boolean
  })[]
  readonly mqTable: readonly (QueueName & {
    readonly commitOffset: number
    readonly cachedMsgMinOffset: number
    readonly cachedMsgMaxOffset: number
    readonly cachedMsgCount: number
    readonly cachedMsgSizeInMiB: number
    readonly transactionMsgMinOffset: number
    readonly transactionMsgMaxOffset: number
    readonly transactionMsgCount: number
    readonly locked: boolean
    readonly tryUnlockTimes: number
    readonly lastLockTimestamp: number
    readonly droped: boolean
    readonly lastPullTimestamp: number
    readonly lastConsumeTimestamp: number
  })[]
  /** From 5.0 on. */
  readonly mqPopTable?: readonly (QueueName & {
    readonly waitAckCount: number
    readonly droped: boolean
    readonly lastPopTimestamp: number
  })[]
  readonly statusTable: Readonly<
    Record<
      string,
      {
        readonly pullRT: number
        readonly pullTPS: number
        readonly consumeRT: number
        readonly consumeOKTPS: number
        readonly consumeFailedTPS: number
        readonly consumeFailedMsgs: number
      }
    >
  >
  /** From 5.0 on. */
  readonly userConsumerInfo?: Readonly<Record<string, string>>
  readonly jstack: string | null
}

/** Java's `ConsumeMessageDirectlyResult`. */
export interface JavaDirectResult {
  readonly consumeResult:
    | 'CR_SUCCESS'
    | 'CR_LATER'
    | 'CR_ROLLBACK'
    | 'CR_COMMIT'
    | 'CR_THROW_EXCEPTION'
    | 'CR_RETURN_NULL'
  readonly order: boolean
  readonly autoCommit: boolean
  readonly remark: string | null
  readonly spentTimeMills: number
}

/** Properties of `SubscriptionGroupConfig`, by Java's names. */
export interface JavaGroupConfig {
  readonly consumeEnable?: boolean
  readonly consumeFromMinEnable?: boolean
  readonly consumeBroadcastEnable?: boolean
  /** From 5.0 on. */
  readonly consumeMessageOrderly?: boolean
  readonly retryQueueNums?: number
  readonly retryMaxTimes?: number
  readonly brokerId?: number
  readonly whichBrokerWhenConsumeSlowly?: number
  readonly notifyConsumerIdsChangedEnable?: boolean
}

export interface QueueOffset extends QueueName {
  readonly offset: number
}

/** All masters of a cluster, by default of `DefaultCluster`, or one broker. */
type Brokers = { readonly clusterName?: string; readonly brokerAddr?: string }

/** The verbs of the Java oracle by which its admin client asks consumers and sets what concerns groups: what each takes and what it answers. */
export interface ConsumerAdminVerbs {
  /** What a member of a group says of itself, as `mqadmin consumerStatus` asks for it. */
  consumerRunningInfo: {
    args: ClusterArgs & { readonly group: string; readonly clientId: string; readonly jstack?: boolean }
    result: JavaRunningInfo
  }
  /** What Java reads from a body, given as text: the properties of an object of this class; tables by queue are lists. */
  readBody: {
    args: {
      readonly class:
        | 'ConsumerRunningInfo'
        | 'GetConsumerStatusBody'
        | 'ConsumeMessageDirectlyResult'
        | 'ResetOffsetBody'
      readonly text: string
    }
    result: Readonly<Record<string, unknown>>
  }
  /** Has a member of a group consume one stored message, beside its queues. */
  consumeMessageDirectly: {
    args: ClusterArgs & {
      readonly group: string
      readonly clientId: string
      readonly topic: string
      /** The offset id; from 5.0 on the unique id will do, too. */
      readonly msgId: string
    }
    result: JavaDirectResult
  }
  /** The offsets that members of a group would commit now. */
  consumeStatus: {
    args: ClusterArgs & {
      readonly group: string
      readonly topic: string
      /** Default: all members. */
      readonly clientId?: string
    }
    result: { readonly members: readonly { readonly clientId: string; readonly queues: readonly QueueOffset[] }[] }
  }
  /** Sets the stored offsets of a group to what was stored at `timestamp`, without a word to its members. `resetOffset` is the newer way. */
  resetOffsetOld: {
    args: ClusterArgs & {
      readonly topic: string
      readonly group: string
      readonly timestamp: number
      readonly force?: boolean
    }
    result: {
      readonly queues: readonly {
        readonly brokerName: string
        readonly queueId: number
        readonly brokerOffset: number
        readonly consumerOffset: number
        readonly timestampOffset: number
        readonly rollbackOffset: number
      }[]
    }
  }
  /** Has members of a group, whose `clientRebalance` is false, pull or pop a topic; brokers from 5.0 on. */
  setMessageRequestMode: {
    args: ClusterArgs &
      Brokers & {
        readonly topic: string
        readonly group: string
        readonly mode: 'PULL' | 'POP'
        /** Default 0: all members share all queues. */
        readonly popShareQueueNum?: number
      }
    result: { readonly brokerAddrs: readonly string[] }
  }
  /** Creates a group, or changes it; what `config` doesn't say is set to Java's default. */
  updateSubscriptionGroup: {
    args: ClusterArgs & Brokers & { readonly group: string; readonly config?: JavaGroupConfig }
    result: { readonly brokerAddrs: readonly string[] }
  }
}
