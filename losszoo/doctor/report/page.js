"use strict";
for (const button of document.querySelectorAll("button.copy")) {
  const line = document.getElementById(button.dataset.of);
  button.hidden = false;
  button.addEventListener("click", async () => {
    let said = "copied";
    try {
      await navigator.clipboard.writeText(line.textContent);
    } catch {
      getSelection().selectAllChildren(line);
      said = document.execCommand("copy") ? "copied" : "press Ctrl+C";
    }
    button.textContent = said;
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  });
}
