/**
 * Mutual exclusion per key: tasks under one key run one after another in the order they asked, tasks under different
 * keys run together. A key costs nothing once nobody waits for it.
 */
export class KeyedLock {
  private readonly tails = new Map<string, Promise<unknown>>()

  /** Rejects as `task` does; a task that rejects does not hold up the next one. */
  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const previous = this.tails.get(key)
    const current = previous === undefined ? task() : previous.then(task, task)
    this.tails.set(key, current)
    try {
      return await current
    } finally {
      if (this.tails.get(key) === current) this.tails.delete(key)
    }
  }
}
