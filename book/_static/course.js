/* Names for controls of the theme that have none. */
"use strict";

for (const summary of document.querySelectorAll(".toctree-l1 summary, .toctree-l2 summary")) {
  const page = summary.closest("li").querySelector("a").textContent.trim();
  summary.setAttribute("aria-label", `Pages below ${page}`);
}
