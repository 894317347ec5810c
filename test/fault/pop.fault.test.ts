import { testPop } from './pop-tests.js'

testPop(
  [
    { kind: 'SimpleConsumer', messages: 10_000 },
    { kind: 'PushConsumer', messages: 10_000 },
  ],
  { invisibleTime: 10_000, timeout: 180_000 },
)
