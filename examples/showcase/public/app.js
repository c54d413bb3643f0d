import { startAssistant } from "./assistant.js";
import { startFacts } from "./facts.js";
import { startJob } from "./job.js";
import { byId } from "./page.js";

startAssistant();
startJob();
startFacts();

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
