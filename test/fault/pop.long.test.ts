import { testPop } from './pop-tests.js'

testPop(
  [
    { kind: 'SimpleConsumer', messages: 100_000 },
    { kind: 'PushConsumer', messages: 30_000 },
  ],
  { invisibleTime: 30_000, timeout: 900_000 },
)
