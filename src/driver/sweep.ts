/**
 * Whether all that a failure may have left has been looked for since anything was last begun. What is begun while
 * somebody looks is not thought to have been seen.
 */
export class Sweep {
  private begun = 0
  private swept: number | undefined

  get isDone(): boolean {
    return this.swept === this.begun
  }

  /** Something is about to be made. */
  begin(): void {
    this.begun += 1
  }

  /** Begins to look. @returns what to call if nothing is left. */
  look(): () => void {
    const { begun } = this
    return () => {
      this.swept = begun
    }
  }
}
