interface Waiting<Item, Result> {
  readonly item: Item
  readonly done: (result: Result) => void
  readonly failed: (error: unknown) => void
}

/** What may be done together: items whose sizes are no more than `total` in all, or a single one of any size. */
interface Room<Item> {
  readonly total: number
  readonly sizeOf: (item: Item) => number
}

/** Does one batch after the other; whatever waits when a batch begins is done together, in the order it came in. */
export class Batcher<Item, Result> {
  private readonly waiting: Waiting<Item, Result>[] = []
  private isWorking = false

  constructor(
    /** One result for each item, in their order; what it throws fails them all. */
    private readonly work: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly room: Room<Item> = { total: Infinity, sizeOf: () => 0 },
  ) {}

  run(item: Item): Promise<Result> {
    return new Promise((done, failed) => {
      this.waiting.push({ item, done, failed })
      void this.drain()
    })
  }

  private async drain(): Promise<void> {
    if (this.isWorking) return
    this.isWorking = true
    // Whoever else asks in this turn of the event loop joins in.
    await Promise.resolve()
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.countOfBatch())
      try {
        const results = await this.work(batch.map(({ item }) => item))
        batch.forEach(({ done }, index) => {
          done(results[index] as Result)
        })
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    this.isWorking = false
  }

  private countOfBatch(): number {
    let size = 0
    const first = this.waiting.findIndex(({ item }, index) => {
      size += this.room.sizeOf(item)
      return index > 0 && size > this.room.total
    })
    return first === -1 ? this.waiting.length : first
  }
}
