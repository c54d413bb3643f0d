import { createFlow } from "./flow.js";
import { createJournal } from "./journal.js";
import { byId, count, seconds, show, tell } from "./page.js";
import { createWire } from "./wire.js";

const STATUS = "job-status";

/** Panel two: follows a job with the browser's own EventSource, and keeps account of every id. */
export function startJob() {
  const wire = createWire("job-wire");
  const flow = createFlow("job-flow", 16_000);
  let current;

  byId("start-button").addEventListener("click", () => void start());
  byId("drop-button").addEventListener("click", () => void current?.cut());
  show("job-curl", `curl -NL -d '' ${location.origin}/jobs`);

  async function start() {
    byId("start-button").disabled = true;
    try {
      const response = await fetch("/jobs", { method: "POST", headers: { Accept: "application/json" } });
      const job = await response.json();
      if (!response.ok) throw new Error(job.error);
      wire.clear();
      flow.start();
      show("job-curl", `curl -N ${location.origin}${job.events}`);
      current = follow(job, wire, flow, () => (byId("start-button").disabled = false));
    } catch (error) {
      byId("start-button").disabled = false;
      tell(STATUS, "bad", error instanceof TypeError ? "The server cannot be reached." : error.message);
    }
  }
}

function follow({ id, events }, wire, flow, onOver) {
  const startedAt = performance.now();
  const journal = createJournal("job-journal", () => seconds(performance.now() - startedAt));
  journal.clear();
  const account = { last: 0, lost: 0, repeated: 0, cuts: 0, resumes: 0 };
  let percent = 0;
  let isConnected = false;
  /** Where the page was when it came back, until it has caught up. */
  let catchingUp;
  let isEnded = false;
  clear();

  const source = new EventSource(events);
  source.addEventListener("open", onOpen);
  source.addEventListener("error", onError);
  source.addEventListener("started", receive);
  source.addEventListener("progress", receive);
  source.addEventListener("finished", receive);
  source.addEventListener("failed", receive);
  // Said by Sluice when a source has finished: there is nothing to come back for.
  source.addEventListener("sluice.end", (event) => {
    isEnded = true;
    logFrame(event);
    flow.mark("end");
    flow.end();
    journal.write("end", "`sluice.end`: the stream has said all. The browser comes back once more, as it always does…");
  });

  function onOpen() {
    isConnected = true;
    if (isEnded) return;
    flow.mark("open");
    byId("drop-button").disabled = false;
    tell(STATUS, "live", "Connected. The job is running.");
    if (account.last === 0) {
      journal.write("open", "Connected.");
    } else {
      catchingUp = { from: account.last, percent, lost: account.lost, repeated: account.repeated };
      journal.write("open", "Reconnected, with `Last-Event-ID: " + account.last + "`.");
    }
  }

  function onError() {
    byId("drop-button").disabled = true;
    if (source.readyState === EventSource.CLOSED) return void close();
    if (isEnded || !isConnected) return;
    isConnected = false;
    account.cuts++;
    flow.mark("cut");
    tell(
      STATUS,
      "bad",
      `Disconnected after event no. ${account.last}. The job goes on; the browser will be back in a second.`,
    );
    journal.write("cut", `The connection broke after event no. ${account.last}.`);
  }

  function receive(event) {
    const { type, lastEventId, data } = event;
    const number = Number(lastEventId);
    if (number <= account.last) account.repeated++;
    else account.lost += number - account.last - 1;
    account.last = Math.max(account.last, number);
    show("job-id", lastEventId);
    logFrame(event);
    flow.mark(catchingUp === undefined ? "event" : "caught-up");
    // What has been waiting arrives at once, and a moment later that is over.
    if (catchingUp !== undefined) catchingUp.timer ??= setTimeout(caughtUp, 60);
    const step = JSON.parse(data);
    if (type === "started") begin(step);
    else if (type === "failed") fail(step.message);
    else progress(step);
    if (type === "finished") finish(step);
  }

  function caughtUp() {
    const { from, percent: at, lost, repeated } = catchingUp;
    catchingUp = undefined;
    account.resumes++;
    const missing = account.lost - lost;
    const twice = account.repeated - repeated;
    const verdict = missing + twice === 0 ? "nothing lost, nothing repeated" : `${missing} lost, ${twice} repeated`;
    journal.write("good", `Resumed at event no. ${from + 1} and caught up to ${account.last}: ${verdict}.`);
    if (!isEnded) tell(STATUS, "good", `Resumed at event no. ${from + 1}: ${verdict}.`);
    const part = document.createElement("div");
    part.className = "bar-caught-up";
    part.style.setProperty("left", `${at}%`);
    part.style.setProperty("width", `${Math.max(percent - at, 0.5)}%`);
    byId("job-bar").append(part);
  }

  function begin({ files, seconds: expected }) {
    show("job-files", `0 / ${files}`);
    flow.expect(expected * 1000);
  }

  function progress({ file, filesDone, files, bytesDone, hashingMs }) {
    percent = (filesDone / files) * 100;
    show("job-percent", String(Math.floor(percent)));
    byId("job-fill").style.setProperty("transform", `scaleX(${percent / 100})`);
    byId("job-bar").setAttribute("aria-valuenow", String(Math.floor(percent)));
    show("job-file", file);
    show("job-files", `${filesDone} / ${files}`);
    show("job-bytes", megabytes(bytesDone));
    if (hashingMs > 0) show("job-rate", `${(bytesDone / 1e6 / (hashingMs / 1000)).toFixed(0)} MB/s`);
  }

  function finish({ digest, files, bytesDone, hashingMs, ms }) {
    const { lost, repeated, cuts, last } = account;
    const isExact = lost + repeated === 0;
    byId("job-verdict").hidden = false;
    byId("job-verdict").dataset.tone = isExact ? "good" : "bad";
    show("job-verdict-title", `${count(last, "event")}, ${count(cuts, "cut")}, ${lost} lost, ${repeated} repeated`);
    show("job-digest", digest);
    show(
      "job-note",
      `SHA-256 of ${count(files, "file")}, ${megabytes(bytesDone)}. Reading and hashing took ${seconds(hashingMs)} of the ${seconds(ms)}; the rest was rest.`,
    );
    tell(STATUS, "good", "Finished. The stream is ending.");
    byId("drop-button").disabled = true;
  }

  function fail(message) {
    // There is nothing to come back for, and perhaps nobody.
    source.close();
    flow.end();
    tell(STATUS, "bad", message);
    byId("drop-button").disabled = true;
    onOver();
  }

  /** The browser has given up for good: after 204, because it was told to. */
  async function close() {
    flow.end();
    if (isEnded) {
      const report = await fetch(`/jobs/${id}`).then(
        (response) => response.json(),
        () => undefined,
      );
      const turnedAway = report?.connections?.turnedAway ?? 0;
      if (turnedAway > 0) journal.write("end", "…and was answered `204 No Content`. It stays away.");
      if (report?.state === "finished")
        tell(STATUS, "good", "Finished. No stream is open, and none will be opened again.");
    } else {
      tell(STATUS, "bad", "The server no longer knows this job.");
    }
    onOver();
  }

  function logFrame({ type, lastEventId, data }) {
    wire.append(`event: ${type}\nid: ${lastEventId}\ndata: ${data}\n\n`);
  }

  return {
    async cut() {
      byId("drop-button").disabled = true;
      journal.write("plain", "You asked the server to reset the TCP connection under this stream.");
      // What comes of it is seen where it matters: at the other end of the stream.
      await fetch(`/jobs/${id}/drop`, { method: "POST" }).catch(() => {});
    },
  };
}

function clear() {
  for (const figure of ["files", "bytes", "rate", "id"]) show(`job-${figure}`, "–");
  for (const part of document.querySelectorAll(".bar-caught-up")) part.remove();
  byId("job-verdict").hidden = true;
  byId("job-fill").style.setProperty("transform", "scaleX(0)");
  show("job-percent", "0");
  show("job-file", "Listing the files…");
  tell(STATUS, "live", "Connecting…");
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}
