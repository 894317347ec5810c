/** What every verb that talks to a cluster takes. */
export interface ClusterArgs {
  readonly namesrvAddr: string
  readonly accessKey?: string
  readonly secretKey?: string
  readonly tls?: boolean
  /** Of the client's requests, in milliseconds. Default 10000. */
  readonly timeout?: number
  /** Of the client, which wraps and unwraps the names of topics and groups by it; admin clients have none. */
  readonly namespace?: string
}

/** A body that both sides can make: of a text, of bytes, or `bodyOf(seed, index, size)`. */
export type BodySpec =
  | { readonly text: string }
  | { readonly base64: string }
  | { readonly seed: number; readonly index?: number; readonly size: number }

/** One line of the file that `produce` and `produceBatch` read. */
export interface MessageSpec {
  readonly body: BodySpec
  readonly tags?: string
  readonly keys?: string | readonly string[]
  readonly properties?: Readonly<Record<string, string>>
  /** Properties that skip the Java client's check of reserved names. */
  readonly rawProperties?: Readonly<Record<string, string>>
  readonly flag?: number
  readonly delayTimeLevel?: number
  /** By `setDelayTimeMs` and `setDeliverTimeMs`, which clients have from 5.0 on. */
  readonly delayTimeMs?: number
  readonly deliverTimeMs?: number
  /** By `setPriority`, which clients have from 5.4 on. */
  readonly priority?: number
  /** The queue to send to. Default: the client's choice. */
  readonly queueId?: number
  /** Tells queues with the same id apart. Default: the first broker that has the queue. */
  readonly brokerName?: string
}

/**
 * The path of a file with one {@link MessageSpec} a line; or `count` messages of which number i has the body `bodyOf(seed, i, size)`, the tag
 * `T<i mod 3>`, the key `k<i>` and the property `index` = i.
 */
export type MessagesArg =
  | { readonly messages: string }
  | { readonly count: number; readonly seed: number; readonly size?: number }

export type ProduceArgs = ClusterArgs &
  MessagesArg & {
    readonly topic: string
    /** Default `oracle-producer`. */
    readonly group?: string
    /** Whether to wait for each message's answer before the next is sent. Default false: many at a time. */
    readonly ordered?: boolean
    /** Default ZLIB, which is all that early 4.x clients have. */
    readonly compressType?: 'ZLIB' | 'LZ4' | 'ZSTD'
    /** Bodies of this many bytes and more are compressed. Default 4096. */
    readonly compressOver?: number
  }

export interface JavaError {
  readonly class: string
  readonly code: number | null
  readonly message: string | null
  readonly cause?: JavaError
}

/** Java's `SendResult`. */
export interface SendOutcome {
  readonly sendStatus: 'SEND_OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'
  readonly msgId: string
  readonly offsetMsgId: string
  readonly brokerName: string
  readonly queueId: number
  readonly queueOffset: number
  readonly transactionId: string | null
  readonly regionId: string | null
  /** Of a timer message, from 5.3.2 on. */
  readonly recallHandle: string | null
}

export interface FailedOutcome {
  readonly error: JavaError
}

/**
 * One line of the file that `pullAll` writes: Java's `MessageExt`. Integers beyond 2^53 are strings.
 *
 * Of a compressed message `body...` is about the plain body, but `bodyCRC` about the stored one; clients from 5.3 on clear the bit for
 * "compressed" in `sysFlag`, older ones leave it.
 */
export interface PulledMessage {
  readonly topic: string
  readonly brokerName: string
  readonly queueId: number
  readonly queueOffset: number
  readonly commitLogOffset: number
  readonly storeSize: number
  readonly msgId: string
  readonly offsetMsgId: string | null
  readonly tags: string | null
  readonly keys: string | null
  readonly properties: Readonly<Record<string, string>>
  readonly bodyLength: number
  readonly bodySha256: string
  readonly bodyCRC: number
  readonly sysFlag: number
  readonly flag: number
  readonly bornTimestamp: number
  readonly bornHost: string
  readonly storeTimestamp: number
  readonly storeHost: string
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
  readonly transactionId: string | null
}

export interface QueueName {
  readonly topic: string
  readonly brokerName: string
  readonly queueId: number
}

export interface JavaRoute {
  readonly queueDatas: readonly {
    readonly brokerName: string
    readonly readQueueNums: number
    readonly writeQueueNums: number
    readonly perm: number
    readonly topicSysFlag: number
  }[]
  readonly brokerDatas: readonly {
    readonly cluster: string
    readonly brokerName: string
    readonly brokerAddrs: Readonly<Record<string, string>>
  }[]
}

export interface JavaConsumerConnection {
  readonly connections: readonly {
    readonly clientId: string
    readonly clientAddr: string
    readonly language: string | null
    readonly version: number
  }[]
  readonly subscriptions: readonly {
    readonly topic: string
    readonly subString: string
    readonly expressionType: string
    readonly tagsSet: readonly string[]
    readonly codeSet: readonly number[]
    readonly subVersion: number
  }[]
  readonly consumeType: string
  readonly messageModel: string
  readonly consumeFromWhere: string
}

/** A header class of this version: its fields as they go on the wire, inherited ones included. */
export type JavaHeader =
  | { readonly missing: true }
  | {
      readonly missing?: never
      readonly className: string
      readonly fields: readonly {
        readonly name: string
        /** Java's simple name: `String`, `Integer`, `int`, `Long`, `Boolean`, `BoundaryType` ... */
        readonly type: string
        /** Whether it carries `@CFNotNull`. */
        readonly required: boolean
        readonly declaredBy: string
      }[]
    }

export interface JavaHeaders {
  /** The code of each command asked for; null where this version has no such constant in `RequestCode`. */
  readonly commands: Readonly<Record<string, number | null>>
  readonly headers: Readonly<Record<string, JavaHeader>>
  readonly requestCodes: Readonly<Record<string, number>>
  readonly responseCodes: Readonly<Record<string, number>>
  readonly systemResponseCodes: Readonly<Record<string, number>>
  readonly languageCodes: Readonly<Record<string, number>>
}

/** `hash`, `validators`, `properties` and `ids` exist in every version, the others from 5.3 on. */
export type VectorKind =
  | 'hash'
  | 'validators'
  | 'properties'
  | 'ids'
  | 'frames'
  | 'requests'
  | 'signed-requests'
  | 'messages'
  | 'batch'
  | 'compression'
  | 'fastjson'
  | 'trace'
  | 'namespace'
  | 'allocate'
  | 'subscriptions'
  | 'fingerprints'
  | 'static-topics'
  | 'locks'
  | 'receipts'
  | 'pop-answers'
  | 'batch-acks'

/** What `sendInTransaction` tells of one message. */
export interface TransactionOutcome {
  readonly sendStatus: SendOutcome['sendStatus']
  /** The transaction's id, too. */
  readonly msgId: string
  readonly localTransactionState: 'COMMIT_MESSAGE' | 'ROLLBACK_MESSAGE' | 'UNKNOW'
}

/** The reply to a request of Java's producer. What a pushed reply does not say is 0 or null, and the body comes whole. */
export interface ReplyOutcome {
  readonly correlationId: string
  readonly reply: Omit<PulledMessage, 'bodySha256' | 'msgId'> & {
    readonly msgId: string | null
    readonly bodyHex: string
  }
}

/** The verbs of the Java oracle: what each takes and what it answers. `java/Oracle.java` is the other side. */
export interface OracleVerbs {
  /** Sends messages; the outcomes are in the order of the messages. A message that fails doesn't fail the call. */
  produce: { args: ProduceArgs; result: { readonly outcomes: readonly (SendOutcome | FailedOutcome)[] } }
  /** The fields of a request after the official client's hook has signed it. */
  sign: {
    args: {
      readonly accessKey: string
      readonly secretKey: string
      readonly securityToken?: string
      readonly fields: Readonly<Record<string, string>>
      /** In base64. */
      readonly body?: string
    }
    result: Readonly<Record<string, string>>
  }
  /** Sends all messages as one batch in one request. */
  produceBatch: {
    args: ProduceArgs & { readonly queueId?: number; readonly brokerName?: string }
    result: SendOutcome
  }
  /** Reads all queues of a topic from the first to the last offset into `file`, one {@link PulledMessage} a line. */
  pullAll: {
    args: ClusterArgs & { readonly topic: string; readonly group?: string; readonly file: string }
    result: { readonly count: number }
  }
  /** Creates a topic on all masters of a cluster (default `DefaultCluster`) or on one broker, and waits until the route shows it. */
  createTopic: {
    args: ClusterArgs & {
      readonly topic: string
      readonly clusterName?: string
      readonly brokerAddr?: string
      /** Default 8. */
      readonly queues?: number
      /** Default 6, read and write. */
      readonly perm?: number
      /** Of 5.x brokers, for example `{ 'message.type': 'FIFO' }`. */
      readonly attributes?: Readonly<Record<string, string>>
    }
    result: { readonly brokerAddrs: readonly string[] }
  }
  deleteTopic: {
    args: ClusterArgs & { readonly topic: string; readonly clusterName?: string; readonly brokerAddr?: string }
    result: { readonly brokerAddrs: readonly string[] }
  }
  route: { args: ClusterArgs & { readonly topic: string }; result: JavaRoute }
  /** The offsets of a group as `examineConsumeStats` sees them. */
  consumeOffset: {
    args: ClusterArgs & { readonly group: string; readonly topic?: string }
    result: {
      readonly queues: readonly (QueueName & {
        readonly brokerOffset: number
        readonly consumerOffset: number
        readonly lastTimestamp: number
      })[]
      readonly totalDiff: number
      readonly consumeTps: number
    }
  }
  consumerConnection: { args: ClusterArgs & { readonly group: string }; result: JavaConsumerConnection }
  /** Sets a group's offsets to what was stored at `timestamp` (milliseconds; -1 means the end). */
  resetOffset: {
    args: ClusterArgs & {
      readonly topic: string
      readonly group: string
      readonly timestamp: number
      readonly force?: boolean
    }
    result: { readonly queues: readonly (QueueName & { readonly offset: number })[] }
  }
  /** Runs a sub-command of mqadmin: `['consumerProgress', '-n', '127.0.0.1:9876', '-g', 'G']`. */
  mqadmin: {
    args: { readonly args: readonly string[]; readonly accessKey?: string; readonly secretKey?: string }
    result: { readonly stdout: string }
  }
  /** What this version's classes say about commands; `names` holds pairs of a command's name and its header class, or null. */
  headers: {
    args: { readonly names: readonly (readonly [command: string, header: string | null])[] }
    result: JavaHeaders
  }
  /** Recalls a timer message; for clients from 5.3.2 on. */
  recall: {
    args: ClusterArgs & { readonly topic: string; readonly recallHandle: string }
    result: { readonly msgId: string }
  }
  /** What `RecallMessageHandle` reads from a handle, and what it makes of that again; from 5.3.2 on. */
  recallHandle: {
    args: { readonly recallHandle: string }
    result: {
      readonly topic: string
      readonly brokerName: string
      readonly timestamp: string
      readonly messageId: string
      readonly encoded: string
    }
  }
  /** Golden bytes. */
  vectors: {
    args: { readonly kind: VectorKind }
    result: { readonly note: string; readonly cases: readonly Readonly<Record<string, unknown>>[] }
  }
  /** Starts Java's transaction producer. Messages say how it decides: their properties `onExecute` and `onCheck` are COMMIT, ROLLBACK or UNKNOWN. */
  startTransactionProducer: {
    args: ClusterArgs & {
      readonly group: string
      /** Whose brokers are to know it before it has sent anything. */
      readonly topic?: string
    }
    result: { readonly clientId: string }
  }
  sendInTransaction: {
    args: MessagesArg & { readonly clientId: string; readonly topic: string }
    result: { readonly outcomes: readonly TransactionOutcome[] }
  }
  /** The transactions that a broker asked it for, in their order. */
  transactionChecks: {
    args: { readonly clientId: string }
    result: { readonly transactionIds: readonly string[] }
  }
  stopTransactionProducer: { args: { readonly clientId: string }; result: Readonly<Record<never, never>> }
  /** Sends messages as requests and waits for their replies; the outcomes are in the order of the messages. */
  request: {
    args: ClusterArgs &
      MessagesArg & {
        readonly topic: string
        /** Default `oracle-producer`. */
        readonly group?: string
        /** Requests at a time. Default 32. */
        readonly concurrency?: number
        /** Of each request, in milliseconds. Default 30000. */
        readonly requestTimeout?: number
      }
    result: { readonly clientId: string; readonly outcomes: readonly (ReplyOutcome | FailedOutcome)[] }
  }
  /** Answers the requests of a topic by `re: ` and the body of the request, with the property `index` of the request. */
  startReplier: {
    args: ClusterArgs & {
      readonly topic: string
      /** Of the consumer and of the producer; the replier is known by it. */
      readonly group: string
      /** Bodies of replies of this many bytes and more are compressed. Default 4096. */
      readonly compressOver?: number
      readonly compressType?: 'ZLIB' | 'LZ4' | 'ZSTD'
    }
    result: Readonly<Record<never, never>>
  }
  stopReplier: {
    args: { readonly group: string }
    result: { readonly answered: number; readonly failures: readonly JavaError[] }
  }
}
