import { startAssistant } from "./assistant.js";
import { startConnections } from "./connections.js";
import { startJob } from "./job.js";
import { createLive } from "./live.js";
import { startLog } from "./log.js";
import { startMachine } from "./machine.js";
import { startMarket } from "./market.js";
import { byId, show } from "./page.js";
import { startQuiz } from "./quiz.js";

const live = createLive(startConnections());
const takeSnapshot = startQuiz(live);
startMachine(live, startMarket());
startLog(live);
live.start(takeSnapshot);
startAssistant();
startJob();
void fetch("/about").then(async (response) => show("platform", (await response.json()).platform));

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const code = byId(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      // No permission, or no secure origin: the text is selected, and a key press away.
      getSelection()?.selectAllChildren(code);
      button.textContent = "Selected";
    }
    byId("announcer").textContent = `Command line: ${button.textContent}`;
    setTimeout(() => (button.textContent = "Copy"), 1600);
  });
}
