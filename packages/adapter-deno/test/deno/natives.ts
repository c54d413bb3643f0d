// Checked by the compiler alone: what a source finds in `native` is what Deno passes, with its own types.
import { eventStream } from "@sluice/adapter-deno";

export const listening: Deno.HttpServer<Deno.NetAddr> = Deno.serve(
  eventStream(({ native }) => [{ data: native.info.remoteAddr.hostname }]),
);

export default {
  fetch: eventStream(({ native }) => [{ data: native.info.remoteAddr.transport }]),
} satisfies Deno.ServeDefaultExport;
