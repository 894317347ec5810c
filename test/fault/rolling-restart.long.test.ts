import { testRollingRestart } from './rolling-restart-tests.js'

testRollingRestart({ shutdowns: 100, javaShutdowns: 20, timeout: 3_600_000 })
