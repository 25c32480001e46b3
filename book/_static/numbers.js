/* A number in the text opens a panel that says where it comes from. Without this script it leads to its cell. */
"use strict";

{
  const given = document.getElementById("numbers");
  const make = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  function start({ numbers, run }) {
    const panel = make("div", { id: "number-panel", popover: "auto", tabIndex: -1 });
    panel.setAttribute("role", "dialog");
    panel.setAttribute("aria-labelledby", "number-panel-name");
    document.body.append(panel);
    let opener = null;

    /* Below the number, or above it where there is more room; it scrolls with the text. On a phone the style sheet
       lays it at the bottom. */
    function place() {
      const at = opener.getClientRects()[0];
      const [width, height] = [panel.offsetWidth, panel.offsetHeight];
      const above = at.bottom + height + 8 > innerHeight && at.top > innerHeight - at.bottom;
      const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - width - 8));
      panel.style.left = `${left + scrollX}px`;
      panel.style.top = `${(above ? at.top - height - 6 : at.bottom + 6) + scrollY}px`;
    }

    function open(link) {
      opener = link;
      const name = link.dataset.number;
      const facts = make("dl");
      for (const [what, words, address] of [...numbers[name], ...run]) {
        const said = address ? make("a", { href: address, onclick: () => panel.hidePopover() }, words) : words;
        facts.append(make("dt", {}, what), make("dd", {}, said));
      }
      const close = make("button", { type: "button", className: "number-close", onclick: () => panel.hidePopover() }, "×");
      close.setAttribute("aria-label", "Close");
      const title = make("p", { id: "number-panel-name" }, make("strong", {}, name.replaceAll("_", " ")));
      panel.replaceChildren(title, facts, close);
      panel.showPopover();
      place();
      panel.focus({ preventScroll: true });
    }

    /* A reader goes on where the panel was opened, unless a link has led elsewhere. Sphinx keeps Escape for itself. */
    panel.addEventListener("beforetoggle", ({ newState }) => {
      const at = document.activeElement;
      if (newState === "closed" && (at === document.body || panel.contains(at))) opener.focus({ preventScroll: true });
    });
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && panel.matches(":popover-open")) panel.hidePopover();
    });
    for (const link of document.querySelectorAll("a.number")) {
      link.setAttribute("aria-haspopup", "dialog");
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        open(link);
      });
    }
  }

  if (given && "popover" in HTMLElement.prototype) start(JSON.parse(given.textContent));
}
