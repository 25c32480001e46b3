/* Sort and filter the ledger's tables. They are whole without this script; it only adds the controls. */
"use strict";

const STATES = {
  "✔": "holds",
  "✘": "does not hold",
  "◌": "needs the full profile",
  "–": "not measured",
};
const text = (cell) => cell.textContent.trim();
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

/* The first number in a cell; null if it begins with none, as a dash does. */
function leadingNumber(words) {
  const found = words.replace("−", "-").match(/^(?:up to )?([+-]?[\d,]*\.?\d+)/);
  return found ? Number(found[1].replaceAll(",", "")) : null;
}

/* Numbers by size, words by the alphabet; what is missing comes last whichever way one sorts. */
function compare(one, other, direction) {
  if ((one === "–") !== (other === "–")) return one === "–" ? 1 : -1;
  const [first, second] = [leadingNumber(one), leadingNumber(other)];
  if (first !== null && second !== null) return direction * (first - second);
  return direction * one.localeCompare(other, "en", { numeric: true });
}

function addSorting(table) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = element("button", { type: "button", className: "ledger-sort" }, ...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const order = header.ariaSort === "ascending" ? "descending" : "ascending";
      headers.forEach((each) => each.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", order);
      const direction = order === "ascending" ? 1 : -1;
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(text(a.cells[column]), text(b.cells[column]), direction));
      table.tBodies[0].append(...rows);
    });
  });
}

function addFilters(table) {
  const names = [...table.tHead.rows[0].cells].map(text);
  const rows = [...table.tBodies[0].rows];
  const chapterOf = (row) => text(row.cells[names.indexOf("chapter")]);
  const stateOf = (row) => STATES[text(row.cells[names.indexOf("this build")])[0]] ?? "measured";
  const search = element("input", { type: "search", className: "ledger-words" });
  const choice = (className, valueOf) =>
    element(
      "select",
      { className },
      ...["all", ...new Set(rows.map(valueOf))].map((value) => element("option", { value }, value)),
    );
  const chapter = choice("ledger-chapter", chapterOf);
  const state = choice("ledger-state", stateOf);
  const count = element("output", { className: "ledger-count" });
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      row.hidden = !(
        words.every((word) => content.includes(word)) &&
        ["all", chapterOf(row)].includes(chapter.value) &&
        ["all", stateOf(row)].includes(state.value)
      );
    }
    count.value = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  const controls = element(
    "div",
    { className: "ledger-controls" },
    element("label", {}, "Rows that contain ", search),
    element("label", {}, "Chapter ", chapter),
    element("label", {}, "State in this build ", state),
    count,
  );
  controls.addEventListener("input", apply);
  table.before(controls);
  apply();
}

for (const table of document.querySelectorAll("table.ledger")) {
  // The filters read the column names, so they come before the buttons wrap them.
  addFilters(table);
  addSorting(table);
}
