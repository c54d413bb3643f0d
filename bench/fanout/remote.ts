import { fork } from "node:child_process";

/** What a process can be asked to do. */
// oxlint-disable-next-line typescript/no-explicit-any -- `never` would take no function's place among the parameters
export type Commands = Readonly<Record<string, (...args: any[]) => unknown>>;

/** A process that was started, and answers. */
export interface Remote<C extends Commands> {
  /** Rejects when the process ends before it answers: what went wrong, it has said on stderr itself. */
  call<K extends keyof C & string>(name: K, ...args: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>>;
  /** Resolves when the process is gone. */
  stop(): Promise<void>;
}

interface Question {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly value: unknown;
}

/**
 * Starts a module that calls {@link answer} in a process of its own.
 *
 * @param flags for the command line of Node
 */
export function start<C extends Commands>(
  module: URL,
  args: readonly string[],
  flags: readonly string[] = [],
): Remote<C> {
  const child = fork(module, args, { execArgv: ["--expose-gc", ...flags], serialization: "advanced" });
  const pending = new Map<number, PromiseWithResolvers<unknown>>();
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  void gone.then(() => {
    for (const { reject } of pending.values()) reject(new Error(`${module.pathname} ${args.join(" ")} has ended`));
  });
  child.on("message", ({ id, value }: Answer) => {
    pending.get(id)?.resolve(value);
    pending.delete(id);
  });
  let asked = 0;
  return {
    call(name, ...rest) {
      const id = asked++;
      const answered = Promise.withResolvers<unknown>();
      pending.set(id, answered);
      child.send({ id, name, args: rest } satisfies Question, (error) => {
        if (error !== null) answered.reject(error);
      });
      return answered.promise as ReturnType<Remote<C>["call"]> as never;
    },
    stop() {
      // The process may be too busy, or too full, to say goodbye.
      child.kill("SIGKILL");
      return gone;
    },
  };
}

/** Answers the process that has started this one, and ends when that does. A command that throws ends it too. */
export function answer(commands: Commands): void {
  process.on("message", async ({ id, name, args }: Question) => {
    const value = await commands[name]?.(...args);
    process.send?.({ id, value } satisfies Answer);
  });
  process.on("disconnect", () => process.exit());
}
