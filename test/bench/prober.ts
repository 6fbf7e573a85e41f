import { setTimeout as sleep } from 'node:timers/promises'
import type { Enter } from '../fixtures/helper'
import { startHelper } from '../fixtures/helper'
import { startEcho } from '../fixtures/stream'

const PORT = 5002
const EVERY_MS = 1
/** Without an answer for so long the path counts as cut. */
const SILENCE_MS = 100

/** Asks an address again and again, from a process that is there already: starting one takes longer than the answer. */
export interface Prober {
  /** Resolves when the address answers for the first time since the path was cut or there was none. */
  nextAnswer(): Promise<void>
  stop(): void
}

/** Answers at the port that probers ask. */
export const startProberEcho = (at: Enter): Promise<{ stop(): void }> => startEcho(at, PORT)

export async function startProber(at: Enter, address: string): Promise<Prober> {
  const script = `
    const socket = require('dgram').createSocket('udp4')
    let last = -Infinity
    socket.on('message', () => {
      if (performance.now() - last > ${SILENCE_MS}) console.log('answered')
      last = performance.now()
    })
    setInterval(() => socket.send('x', ${PORT}, '${address}', () => undefined), ${EVERY_MS})
    console.log('ready')`
  const helper = await startHelper(at, script)
  const answers = (): number => helper.lines().filter((line) => line === 'answered').length
  let seen = 0
  return {
    async nextAnswer() {
      while (answers() === seen) await sleep(EVERY_MS)
      seen = answers()
    },
    stop: () => {
      helper.stop()
    },
  }
}
