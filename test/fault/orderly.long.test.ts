import { testOrderly } from './orderly-tests.js'

testOrderly({ messages: 200_000, lockLife: 60_000, timeout: 1_800_000 })
