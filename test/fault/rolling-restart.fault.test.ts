import { testRollingRestart } from './rolling-restart-tests.js'

testRollingRestart({ shutdowns: 6, javaShutdowns: 2, timeout: 180_000 })
