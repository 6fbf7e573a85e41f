/** Those who want to be told. What one of them throws reaches neither the others nor the teller. */
export class Listeners<Arguments extends readonly unknown[]> {
  readonly #listeners = new Set<(...args: Arguments) => void>()
  readonly #onFailure: (error: unknown) => void

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure
  }

  /** Returns the function that ends it. */
  add(listener: (...args: Arguments) => void): () => void {
    // The same function may be added twice; each addition is its own.
    const entry = (...args: Arguments) => {
      listener(...args)
    }
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  call(...args: Arguments): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(...args)
      } catch (error) {
        this.#onFailure(error)
      }
    }
  }
}
