import { readFullMessage } from '../raw/raw-message.js'
import { runRawPull } from './raw-pull.js'
import { readFully } from './read-message.js'

/** The ceiling of pulling with everything of a message read and its CRC checked. */
runRawPull((data, start) => {
  const message = readFullMessage(data, start)
  readFully(message)
  return message
})
