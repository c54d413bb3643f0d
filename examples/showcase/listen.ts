import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

const FIRST_CHOICE = 3000;

/** How long the streams that are open get to say goodbye, in ms. */
const FAREWELL = 1000;

/**
 * Listens at the port that was asked for, or nowhere; where none was, at 3000 or any that is free.
 *
 * @returns the address, for people
 */
export async function listen(
  server: Server,
  { host = "127.0.0.1", port }: { readonly host: string | undefined; readonly port: string | undefined },
): Promise<string> {
  const asked = port === undefined || port === "" ? undefined : Number(port);
  if (asked !== undefined && !(Number.isInteger(asked) && asked >= 0 && asked <= 65_535)) {
    return give(`PORT is ${JSON.stringify(port)}; make it a number from 0 (any free port) to 65535.`);
  }
  try {
    await bind(server, asked ?? FIRST_CHOICE, host);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EADDRINUSE") return give(`Cannot listen at ${host}: ${message}.`);
    if (asked !== undefined)
      return give(`Port ${asked} is taken; set PORT to another, or leave it out and a free one is found.`);
    await bind(server, 0, host);
  }
  const { port: bound } = server.address() as AddressInfo;
  const isEverywhere = host === "0.0.0.0" || host === "::";
  return `http://${isEverywhere ? "localhost" : host.includes(":") ? `[${host}]` : host}:${bound}`;
}

function give(reason: string): never {
  console.error(`\n  ${reason}\n`);
  process.exit(1);
}

function bind(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/**
 * Stops on Ctrl-C and SIGTERM: accepts nobody new, aborts `closing`, at which the streams end in their own words, and
 * leaves the process to end by itself. Asked a second time, it does not wait.
 */
export function stopOnSignal(server: Server, closing: AbortController): void {
  let askedAt = 0;
  const stop = (): void => {
    // One Ctrl-C may arrive twice, from the terminal and from the script that started this.
    if (askedAt > 0 && performance.now() - askedAt < 300) return;
    if (askedAt > 0) process.exit(130);
    askedAt = performance.now();
    server.close();
    closing.abort();
    // A connection that has been told to stay open is idle once its stream has ended.
    const sweep = setInterval(() => server.closeIdleConnections(), 50);
    const cut = setTimeout(() => server.closeAllConnections(), FAREWELL);
    server.once("close", () => {
      clearInterval(sweep);
      clearTimeout(cut);
      // Listening for signals keeps no process alive; nothing else is left.
    });
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
}
