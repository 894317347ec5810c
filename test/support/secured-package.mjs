// Stands in for the package: see secured-child.mjs.
import * as original from 'rocketmq-remoting'

export * from 'rocketmq-remoting'

const secured = JSON.parse(process.env.ROCKETMQ_SECURED_OPTIONS ?? '{}')

function withDefaults(name, Base) {
  const made = class extends Base {
    constructor(options = {}) {
      // A shared client brings its own.
      super(options.client === undefined ? { ...secured, ...options } : options)
    }
  }
  return Object.defineProperty(made, 'name', { value: name })
}

export const Client = withDefaults('Client', original.Client)
export const DefaultProducer = withDefaults('DefaultProducer', original.DefaultProducer)
export const TransactionProducer = withDefaults('TransactionProducer', original.TransactionProducer)
export const PullConsumer = withDefaults('PullConsumer', original.PullConsumer)
export const LitePullConsumer = withDefaults('LitePullConsumer', original.LitePullConsumer)
export const PushConsumer = withDefaults('PushConsumer', original.PushConsumer)
export const SimpleConsumer = withDefaults('SimpleConsumer', original.SimpleConsumer)
