interface Waiting<Item, Result> {
  readonly item: Item
  readonly done: (result: Result) => void
  readonly failed: (error: unknown) => void
}

/** Does one batch after the other; whatever waits when a batch begins is done together, in the order it came in. */
export class Batcher<Item, Result> {
  private readonly waiting: Waiting<Item, Result>[] = []
  private isWorking = false

  constructor(
    /** One result for each item, in their order; what it throws fails them all. */
    private readonly work: (items: readonly Item[]) => Promise<readonly Result[]>,
    /** Whether `next` may be done together with those that came before it. */
    private readonly mayJoin: (batch: readonly Item[], next: Item) => boolean = () => true,
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
    const items = this.waiting.map(({ item }) => item)
    const alone = items.findIndex((next, index) => index > 0 && !this.mayJoin(items.slice(0, index), next))
    return alone === -1 ? items.length : alone
  }
}
