import type { ServerResponse } from 'node:http'

/**
 * Calls back, once, when the response is complete or its connection is gone. Node tells the end of a connection only to
 * the response that has its turn on it, and not to those that wait behind (pipelining).
 *
 * @returns the function that ends it before.
 */
export function onClosed(response: ServerResponse, listener: () => void): () => void {
  const { socket } = response.req
  const stop = (): void => {
    response.off('close', call)
    socket.off('close', call)
  }
  const call = (): void => {
    stop()
    listener()
  }
  response.once('close', call)
  socket.once('close', call)
  return stop
}
