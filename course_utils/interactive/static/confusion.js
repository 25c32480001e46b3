/* A confusion matrix of buttons: a cell shows its pictures, the most confident answer first. */
"use strict";
course.widget("confusion", async (root, data) => {
  const { element, choice, button, percent, unpack } = course;
  const { classes, models } = data;
  const pictures = await course.sprite(data.pictures);
  const truths = unpack(data.truths).values;
  const answers = new Map(), confidences = new Map(); // run: values
  for (const run of models.flatMap((model) => model.runs)) {
    answers.set(run, unpack(run.answers).values);
    confidences.set(run, run.confidence && unpack(run.confidence).values);
  }
  const at = { model: 0, run: 0, cell: null, shares: false };
  const runOf = (model) => models[model].runs[Math.min(at.run, models[model].runs.length - 1)];
  const run = () => runOf(at.model);
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const many = Math.max(...models.map((model) => model.runs.length));

  /* ---- The matrix --------------------------------------------------------------------------------------------- */

  const id = course.uniqueId("matrix");
  const cells = classes.map((name, i) => classes.map((_, j) => button("", () => open(i, j),
    { class: i === j ? "confusion-right" : null, "aria-pressed": "false" })));
  const table = course.arrowKeys(element("table", { class: "confusion-matrix", "aria-labelledby": id },
    element("thead", {}, element("tr", {}, element("td", {}, "true ↓  answer →"),
      ...classes.map((name) => element("th", { scope: "col" }, element("span", {}, name))))),
    element("tbody", {}, ...cells.map((row, i) => element("tr", {}, element("th", { scope: "row" }, classes[i]),
      ...row.map((cell) => element("td", {}, cell)))))));
  table.style.setProperty("--classes", classes.length);

  function drawMatrix() {
    run().matrix.forEach((row, i) => {
      const whole = sum(row);
      row.forEach((count, j) => {
        const share = whole ? count / whole : 0, cell = cells[i][j];
        const text = at.shares ? Math.round(100 * share) : count;
        cell.textContent = text || "";
        // A root, so that the eye finds the rare mistakes; pale enough for the number to be read.
        cell.style.setProperty("--shade", `${Math.min(45, (i === j ? 45 : 75) * Math.sqrt(share)).toFixed(0)}%`);
        cell.setAttribute("aria-label", i === j ? `${classes[i]} rightly named: ${count} of ${whole}`
          : `${classes[i]} taken for ${classes[j]}: ${count} of ${whole}`);
      });
    });
    const { accuracy } = run(), n = sum(run().matrix.map(sum));
    const which = many > 1 ? `, run ${models[at.model].runs.indexOf(run()) + 1}` : "";
    title.textContent = `${models[at.model].name}${which}: ${percent(accuracy)} of ${n} pictures right`;
  }

  /* ---- The pictures of a cell --------------------------------------------------------------------------------- */

  const heading = element("h3", { "aria-live": "polite" }), kept = element("p", { class: "course-muted" });
  const shown = element("div", {}), detail = element("p", { "aria-live": "polite" });

  function open(i, j) {
    at.cell = [i, j];
    cells.forEach((row, y) => row.forEach((cell, x) => cell.setAttribute("aria-pressed", String(y === i && x === j))));
    const mine = answers.get(run()), sure = confidences.get(run());
    const found = [...truths.keys()].filter((k) => truths[k] === i && mine[k] === j);
    if (sure) found.sort((a, b) => sure[b] - sure[a]);
    const count = run().matrix[i][j], whole = sum(run().matrix[i]);
    heading.textContent = `${classes[i]} ${i === j ? "rightly named" : `taken for ${classes[j]}`}: ${count} of ${whole}`
      + (whole ? `, ${percent(count / whole)}` : "");
    const all = count === 1 ? "The one picture" : `All ${count} pictures`;
    const part = `${found.length} of these ${count} pictures are on this page`;
    kept.textContent = !count ? "" : (found.length < count ? part : all)
      + (sure ? ", the most confident answer first." : "; this model gives no probabilities.");
    detail.textContent = found.length ? "Choose a picture: what does each model say about it?" : "";
    const name = (k) => `true: ${classes[i]}, answer: ${classes[j]}${sure ? `, ${percent(sure[k])}` : ""}`;
    const { row } = course.pictureButtons(found.map(pictures.canvas), found.map(name), (place) => ask(found[place]));
    if (sure) [...row.children].forEach((each, i) => each.append(element("small", {}, percent(sure[found[i]], 0))));
    shown.replaceChildren(course.arrowKeys(row));
  }

  /** Say what each model answers for one picture. */
  function ask(k) {
    detail.replaceChildren(`It is: ${classes[truths[k]]}. `, ...models.map((model, i) => {
      const each = runOf(i), answer = answers.get(each)[k], sure = confidences.get(each);
      const right = answer === truths[k];
      return element("span", { class: right ? "confusion-good" : "confusion-bad" },
        `${right ? "✓" : "✗"} ${model.name}: ${classes[answer]}${sure ? ` ${percent(sure[k])}` : ""}`);
    }));
  }

  /* ---- What is set -------------------------------------------------------------------------------------------- */

  const title = element("h3", { id });
  function update() {
    drawMatrix();
    open(...at.cell);
  }
  const runs = element("span", { class: "course-row" });
  function offerRuns() {
    const n = models[at.model].runs.length;
    at.run = Math.min(at.run, n - 1);
    runs.replaceChildren(...(n > 1 ? [choice("Run", models[at.model].runs.map((_, i) => `run ${i + 1}`),
      (i) => { at.run = i; update(); }, at.run)] : []));
  }
  const controls = [];
  if (models.length > 1) {
    controls.push(choice("Model", models.map((model) => model.name), (i) => {
      at.model = i;
      offerRuns();
      update();
    }));
  }
  controls.push(runs, choice("Numbers", ["pictures", "per cent of the row"],
    (i) => { at.shares = i === 1; update(); }));
  // The page opens at the largest mistake.
  const mistakes = run().matrix.flatMap((row, i) => row.map((count, j) => [i === j ? -1 : count, i, j]));
  at.cell = mistakes.reduce((a, b) => (b[0] > a[0] ? b : a)).slice(1);
  offerRuns();
  root.append(element("div", { class: "course-row" }, ...controls), title,
    element("div", { class: "confusion-both" }, table, element("div", {}, heading, kept, shown, detail)));
  update();
});
