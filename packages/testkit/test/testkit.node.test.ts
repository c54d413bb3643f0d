import { X509Certificate } from "node:crypto";
import { createServer } from "node:http";
import { adapterSuite, connectAndReset, connectStalled, openStream, selfSigned, serveNode } from "@sluice/testkit";
import { describe, expect, onTestFinished, test } from "vitest";

describe("adapterSuite", () => {
  test("refuses an exception for a behaviour that there is not", () => {
    const start = (): never => {
      throw new Error("never started");
    };
    expect(() => adapterSuite(start, { "flies to the moon": "too far" })).toThrow('no behaviour "flies to the moon"');
  });
});

describe("the clients", () => {
  test("openStream records what came, and tells a complete response from one that was broken off", async () => {
    const server = await serveNode(
      createServer((req, res) => {
        res.write(": hi\nretry: 7\n\nid: 1\ndata: hello\n\n");
        if (req.url === "/broken") setImmediate(() => res.destroy());
        else res.end();
      }),
    );
    onTestFinished(() => server.close());
    const complete = await openStream(`${server.url}/complete`);
    expect(await complete.ended).toBe("complete");
    expect(complete).toMatchObject({
      status: 200,
      events: [{ id: "1", data: "hello" }],
      comments: ["hi"],
      reconnectionTime: 7,
    });
    expect(await (await openStream(`${server.url}/broken`)).ended).toBe("broken");
  });

  test("until says what has come instead of what was wanted", async () => {
    const server = await serveNode(createServer((_, res) => void res.write("data: hello\n\n")));
    onTestFinished(() => server.close());
    const client = await openStream(server.url);
    await expect(client.until(({ events }) => events.length > 1, 100)).rejects.toThrow(
      'Cannot go on: 100 ms have passed, and it is not so that ({ events }) => events.length > 1; status 200, 13 bytes: "data: hello\\n\\n"',
    );
    client.leave();
  });

  test("connectStalled fills the buffers; connectAndReset leaves without a word", async () => {
    const errors: (string | undefined)[] = [];
    let stalled = false;
    const server = await serveNode(
      createServer((req, res) => {
        req.socket.on("error", (error: NodeJS.ErrnoException) => errors.push(error.code));
        const more = (): void => {
          if (req.url === "/little") return void res.write("data: hello\n\n");
          while (res.write(Buffer.alloc(65_536)));
          stalled = res.writableLength > 0;
          res.once("drain", more);
        };
        more();
      }),
    );
    onTestFinished(() => server.close());
    const socket = await connectStalled(`${server.url}/much`);
    await expect.poll(() => stalled).toBe(true);
    expect(socket.bytesRead).toBe(0);
    socket.destroy();
    await connectAndReset(`${server.url}/little`);
    await expect.poll(() => errors).toContain("ECONNRESET");
  });
});

test("selfSigned makes a certificate for the loopback that verifies", () => {
  const { cert } = selfSigned();
  const certificate = new X509Certificate(cert);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect([certificate.checkHost("localhost"), certificate.checkIP("127.0.0.1")]).toEqual(["localhost", "127.0.0.1"]);
  expect(certificate.validFromDate.getTime()).toBeLessThan(Date.now());
  expect(certificate.validToDate.getTime()).toBeGreaterThan(Date.now());
});
