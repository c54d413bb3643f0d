const FIRST_CHOICE = 3000;

/** A server that listens. */
export interface Bound {
  readonly port: number;
  /** Accepts nobody new, and resolves when nothing is open. */
  close(): Promise<void>;
}

/** Rejects with the code `EADDRINUSE` where the port is taken; 0 is any that is free. */
export type Bind = (port: number, host: string) => Promise<Bound>;

/**
 * Listens at the port that was asked for, or nowhere; where none was, at 3000 or any that is free.
 *
 * @returns with the address, for people
 */
export async function listen(
  bind: Bind,
  { HOST: host = "127.0.0.1", PORT: port }: Readonly<Record<string, string | undefined>>,
): Promise<Bound & { readonly url: string }> {
  const asked = port === undefined || port === "" ? undefined : Number(port);
  if (asked !== undefined && !(Number.isInteger(asked) && asked >= 0 && asked <= 65_535)) {
    return give(`PORT is ${JSON.stringify(port)}; make it a number from 0 (any free port) to 65535.`);
  }
  const bound = await bind(asked ?? FIRST_CHOICE, host).catch((error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EADDRINUSE") return give(`Cannot listen at ${host}: ${message}.`);
    if (asked === undefined) return bind(0, host);
    return give(`Port ${asked} is taken; set PORT to another, or leave it out and a free one is found.`);
  });
  const isEverywhere = host === "0.0.0.0" || host === "::";
  const name = isEverywhere ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return { port: bound.port, close: () => bound.close(), url: `http://${name}:${bound.port}` };
}

function give(reason: string): never {
  console.error(`\n  ${reason}\n`);
  process.exit(1);
}
