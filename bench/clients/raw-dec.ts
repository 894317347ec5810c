import { readSlimMessage } from '../raw/raw-message.js'
import { runRawPull } from './raw-pull.js'

/** The ceiling of pulling: only place and body of a message read. */
runRawPull(readSlimMessage)
