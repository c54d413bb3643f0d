import { startAssistant } from "./assistant.js";
import { startConnections } from "./connections.js";
import { startJob } from "./job.js";
import { startMachine } from "./machine.js";
import { byId } from "./page.js";
import { startQuiz } from "./quiz.js";

const journal = startConnections();
startQuiz(journal);
startMachine(journal);
startAssistant();
startJob();

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
