/* What the theme leaves undone: names for controls that have none, and buttons that do nothing. */
"use strict";

for (const summary of document.querySelectorAll(".toctree-l1 summary, .toctree-l2 summary")) {
  const page = summary.closest("li").querySelector("a").textContent.trim();
  summary.setAttribute("aria-label", `Pages below ${page}`);
}

/* Both themes below this book listen to the first button for each sidebar only. That one is in a bar that we hide; the
   one that readers see is over the article (pydata-sphinx-theme's issue 2451). */
for (const kind of ["primary-toggle", "secondary-toggle"]) {
  const [heard, ...unheard] = document.querySelectorAll(`button.${kind}`);
  for (const button of unheard) button.addEventListener("click", () => heard.click());
}
