// An iterator that nobody finishes and nobody returns is garbage, and so must be whatever it left with those that outlive
// it. They hold it weakly, and hear when it has been collected. Some runtimes have neither WeakRef nor
// FinalizationRegistry (workerd before its date 2025-05-05): there, it stays for as long as they do.

/** Something that an object has with others for as long as it lives. `stop()` may be called more than once. */
interface Stoppable {
  stop(): void;
}

/**
 * Stops `lent` once its owner has been collected. Whoever else holds `lent` must not hold the owner; if nobody else does,
 * there is nothing to stop.
 */
export function stopWhenAbandoned(owner: object, lent: Stoppable): void {
  registry?.register(owner, new WeakRef(lent));
}

// Weakly: what is lent may lead to its owner by other ways, and the registry must not keep it alive by them.
const registry =
  typeof FinalizationRegistry === "undefined" || typeof WeakRef === "undefined"
    ? undefined
    : new FinalizationRegistry<WeakRef<Stoppable>>((lent) => lent.deref()?.stop());

/** Who reacts to a signal. */
interface Abortable {
  onAbort(): void;
}

/** Listens to a signal for its owner, which it keeps alive only while it is told to. */
export class AbortListener implements Stoppable {
  readonly #signal: AbortSignal;
  readonly #owner: WeakRef<Abortable> | undefined;
  #held: Abortable | undefined;

  constructor(signal: AbortSignal, owner: Abortable) {
    this.#signal = signal;
    if (registry === undefined) this.#held = owner;
    else this.#owner = new WeakRef(owner);
    signal.addEventListener("abort", this.#listen);
    stopWhenAbandoned(owner, this);
  }

  /** Keeps the owner alive while somebody waits for it: there may be nobody but the signal to end the wait. */
  hold(): void {
    this.#held ??= this.#owner?.deref();
  }

  letGo(): void {
    if (this.#owner !== undefined) this.#held = undefined;
  }

  stop(): void {
    this.#signal.removeEventListener("abort", this.#listen);
    this.#held = undefined;
  }

  readonly #listen = (): void => {
    const owner = this.#held ?? this.#owner?.deref();
    this.stop();
    owner?.onAbort();
  };
}
