import type { Netns } from '../fixtures/netns'

const PORT = '7000'
const SERVE =
  'require("net").createServer((s) => s.end("hello", () => process.exit())).listen(+process.argv[1], "::")'
const FETCH = `
const dial = () => require("net").connect(+process.argv[1], process.argv[2])
  .on("data", (data) => process.stdout.write(data))
  .on("end", () => process.exit())
  .on("error", () => setTimeout(dial, 50))
setTimeout(() => process.exit(1), 10000)
dial()`

/** What `from` reads from a TCP server in `to` at `address`; rejects when it reaches none within ten seconds. */
export async function fetchAcross(from: Netns, to: Netns, address: string): Promise<string> {
  const ended = new AbortController()
  const server = to
    .run(process.execPath, ['-e', SERVE, PORT], { signal: ended.signal })
    .catch(() => undefined)
  try {
    return (await from.exec(process.execPath, '-e', FETCH, PORT, address)).stdout
  } finally {
    ended.abort()
    await server
  }
}
