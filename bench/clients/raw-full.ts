import { readFullMessage } from '../raw/raw-message.js'
import { runRawPull } from './raw-pull.js'

/** The ceiling of pulling with everything of a message read and its CRC checked. */
runRawPull(readFullMessage)
