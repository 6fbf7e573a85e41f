import { setTimeout as sleep } from 'node:timers/promises'
import { slowness } from '../e2e/host/command'
import type { Enter } from '../fixtures/helper'
import { startHelper } from '../fixtures/helper'
import { startEcho } from '../fixtures/stream'

const PORT = 5002
const EVERY_MS = 1 * slowness
/** Without an answer for so long the path counts as cut. */
const SILENCE_MS = 100 * slowness
/** For a prober to notice that nobody answers any more. */
export const PATH_CUT_MS = 2 * SILENCE_MS

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
  return {
    async nextAnswer() {
      const seen = answers()
      while (answers() === seen) await sleep(EVERY_MS)
    },
    stop: () => {
      helper.stop()
    },
  }
}
