import { testOrderly } from './orderly-tests.js'

testOrderly({ messages: 20_000, lockLife: 25_000, timeout: 180_000 })
