// A drain that is awaited: one promise for all who wait for it.

export class DrainWait {
  #promise: Promise<boolean> | undefined;
  #resolve: ((isOpen: boolean) => void) | undefined;

  get isAwaited(): boolean {
    return this.#promise !== undefined;
  }

  wait(): Promise<boolean> {
    this.#promise ??= new Promise((resolve) => {
      this.#resolve = resolve;
    });
    return this.#promise;
  }

  /** @param isOpen whether more can be sent */
  settle(isOpen: boolean): void {
    this.#resolve?.(isOpen);
    this.#resolve = undefined;
    this.#promise = undefined;
  }
}
