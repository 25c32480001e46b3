/* Ask networks: about a test picture, a drawing, or a picture from the reader's own disk, which stays there. */
"use strict";

window.course.widget("ask", async (root, data) => {
  const { course } = window;
  const { element } = course;
  const [height, width, channels] = data.networks[0].weights.input;
  const networks = data.networks.map(({ name, score, weights }) => ({ name, score, ...course.network(weights) }));
  const samples = await course.sprite(data.samples);
  const CELLS = 14; // the keyboard draws on a coarse grid
  const SIDE = 280;
  const us = networks.length > 1 ? "each network" : "the network";
  const groundShade = data.ground === "light" ? 255 : 0;

  /* ---- What was asked, and what the network sees of it --------------------------------------------------------- */

  let asked = { kind: "sample", place: 0 };
  const drawing = element("canvas", { width: SIDE, height: SIDE, tabindex: "0", role: "application",
    "aria-label": "Drawing. Arrow keys move a square, space draws there, shift and arrow keys draw a line.",
    class: "ask-drawing" });
  const pen = drawing.getContext("2d", { willReadFrequently: true });
  const seen = element("canvas", { class: "ask-seen", role: "img", "aria-label": `what ${us} sees` });

  /** The numbers from 0 to 255 that the networks get, divided by 255. */
  function values() {
    if (asked.kind === "sample") return samples.values(asked.place);
    const source = asked.kind === "drawing" ? drawing : asked.canvas;
    const pixels = course.pixels(source, 3);
    if (invert.checked) pixels.forEach((value, i) => { pixels[i] = 255 - value; });
    const box = fit.checked ? boundsOf(pixels, source) : squareOf(source);
    return shrink(channels === 1 ? greyed(pixels) : pixels, source.width, box);
  }

  /** Red, green and blue weighted as in the chapters, ITU-R BT.601. */
  const greyed = (pixels) => Float32Array.from({ length: pixels.length / 3 }, (_, i) =>
    Math.floor(0.299 * pixels[3 * i] + 0.587 * pixels[3 * i + 1] + 0.114 * pixels[3 * i + 2] + 0.5));

  /** The largest square in the middle of a picture: [left, top, side]. */
  function squareOf({ width: across, height: down }) {
    const side = Math.min(across, down);
    return [(across - side) / 2, (down - side) / 2, side];
  }

  /** The smallest square, in the middle, around all that differs from the corner; it may reach beyond the picture. */
  function boundsOf(pixels, { width: across, height: down }) {
    let [left, top, right, bottom] = [across, down, 0, 0];
    for (let i = 0; i < across * down; i++) {
      if (Math.abs(pixels[3 * i] - pixels[0]) + Math.abs(pixels[3 * i + 1] - pixels[1]) < 60) continue;
      const x = i % across, y = Math.floor(i / across);
      [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
    }
    if (right <= left) return squareOf({ width: across, height: down });
    const side = Math.max(right - left, bottom - top);
    return [(left + right - side) / 2, (top + bottom - side) / 2, side];
  }

  /** Scale a square to the networks' size: each new pixel is the mean of those that it covers. */
  function shrink(pixels, across, [left, top, side]) {
    const down = pixels.length / channels / across;
    const made = new Float32Array(width * height * channels);
    const covered = (begin, place, count) => {
      const from = Math.floor(begin + (place * side) / count + 1e-6);
      return [from, Math.max(from + 1, Math.floor(begin + ((place + 1) * side) / count + 1e-6))];
    };
    for (let y = 0; y < height; y++) {
      const [y0, y1] = covered(top, y, height);
      for (let x = 0; x < width; x++) {
        const [x0, x1] = covered(left, x, width);
        for (let c = 0; c < channels; c++) {
          let sum = 0;
          for (let v = y0; v < y1; v++)
            for (let u = x0; u < x1; u++) {
              const inside = u >= 0 && u < across && v >= 0 && v < down;
              sum += inside ? pixels[(v * across + u) * channels + c] : pixels[c]; // beyond the edge: as the corner
            }
          made[(y * width + x) * channels + c] = Math.round(sum / ((y1 - y0) * (x1 - x0)));
        }
      }
    }
    return made;
  }

  /* ---- Answers --------------------------------------------------------------------------------------------------- */

  const cards = networks.map(() => element("div", { class: "ask-answer" }));
  const spoken = element("p", { class: "ask-spoken", "aria-live": "polite" });
  const warning = element("p", { class: "course-muted" });

  function answer() {
    const given = values();
    course.paint(seen, given, [height, width, channels]);
    const answers = networks.map((network) => [...network.predict(given.map((value) => value / 255))]);
    networks.forEach(({ name, score: [accuracy, low, high], parameters }, i) => cards[i].replaceChildren(
      element("h3", {}, name),
      element("p", { class: "course-muted" }, `${parameters.toLocaleString("en")} parameters; right on `
        + `${course.percent(accuracy)} of the test pictures `
        + `(95% interval ${course.percent(low)} to ${course.percent(high)})`),
      course.probabilityBars(data.classes, answers[i], `Probabilities of ${name}`)));
    const told = networks.map(({ name }, i) => {
      const top = Math.max(...answers[i]);
      return `${name}: ${data.classes[answers[i].indexOf(top)]}, ${course.percent(top, 0)}`;
    }).join("; ");
    const truth = asked.kind === "sample" ? ` It is: ${data.classes[data.labels[asked.place]]}.` : "";
    spoken.replaceChildren(element("strong", {}, told), `.${truth}`);
    warning.textContent = asked.kind === "sample"
      ? "A test picture: no network has learned from it, unless the chapter says so."
      : "This picture is not from the test set, and not like it: the accuracies do not hold for it. A network has no"
        + " answer “none of these”, so it names a class whatever you show it.";
  }

  let waiting = null;
  /** Answer soon: while somebody draws, not for each move of the pen. */
  function answerSoon() {
    waiting ??= setTimeout(() => { waiting = null; answer(); }, 60);
  }

  /* ---- Drawing --------------------------------------------------------------------------------------------------- */

  const SHADES = { white: "#ffffff", "light grey": "#b0b0b0", "dark grey": "#606060", black: "#000000" };
  let shade = groundShade ? "black" : "white";
  const spot = element("div", { class: "ask-spot" });
  const hint = element("span", { class: "ask-hint", "aria-hidden": "true" }, "draw here");
  const board = element("div", { class: "ask-board" }, drawing, spot, hint);

  function clear() {
    pen.fillStyle = groundShade ? "#ffffff" : "#000000";
    pen.fillRect(0, 0, SIDE, SIDE);
  }

  function ask(next) {
    asked = next;
    options.hidden = asked.kind === "sample";
    if (asked.kind !== "sample") row.press(-1);
    if (asked.kind === "drawing") invert.checked = false; // it has the right ground already
    answerSoon();
  }

  function line(from, to) {
    Object.assign(pen, { strokeStyle: SHADES[shade], fillStyle: SHADES[shade], lineWidth: 18, lineCap: "round" });
    hint.hidden = true;
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
    // A line from a point to itself is not drawn.
    pen.beginPath();
    pen.arc(...to, 9, 0, 2 * Math.PI);
    pen.fill();
    if (asked.kind !== "drawing") ask({ kind: "drawing" });
    answerSoon();
  }

  let last = null;
  const placeOf = (event) => {
    const box = drawing.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  drawing.addEventListener("pointerdown", (event) => {
    drawing.setPointerCapture(event.pointerId);
    last = placeOf(event);
    line(last, last);
  });
  drawing.addEventListener("pointermove", (event) => {
    if (!last) return;
    const place = placeOf(event);
    line(last, place);
    last = place;
  });
  for (const end of ["pointerup", "pointercancel"]) drawing.addEventListener(end, () => { last = null; });

  let cell = [CELLS / 2, CELLS / 2];
  const middle = () => cell.map((place) => ((place + 0.5) * SIDE) / CELLS);
  const showCell = () => {
    [spot.style.left, spot.style.top] = cell.map((place) => `${(100 * place) / CELLS}%`);
  };
  drawing.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    const before = middle();
    if (step) cell = cell.map((place, axis) => Math.min(CELLS - 1, Math.max(0, place + step[axis])));
    showCell();
    if (!step || event.shiftKey) line(step ? before : middle(), middle());
  });
  showCell();

  /* ---- Uploading ------------------------------------------------------------------------------------------------- */

  const problem = element("p", { class: "course-problem", role: "alert", hidden: true });
  async function upload(file) {
    const address = await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(file);
    });
    problem.hidden = true;
    try {
      const picture = await course.image(address);
      // Large photographs are brought to a size at which looking at each pixel is quick.
      const scale = Math.min(1, 600 / Math.max(picture.width, picture.height));
      const [across, down] = [picture.width, picture.height].map((size) => Math.ceil(size * scale));
      const canvas = element("canvas", { width: across, height: down });
      canvas.getContext("2d", { willReadFrequently: true }).drawImage(picture, 0, 0, canvas.width, canvas.height);
      ask({ kind: "upload", canvas });
      invert.checked = Boolean(data.ground) && isLight(canvas) !== (data.ground === "light");
    } catch {
      problem.textContent = `${file.name} is not a picture that this browser can read.`;
      problem.hidden = false;
    }
  }

  /** Whether the edge of a picture is rather light than dark. */
  function isLight(canvas) {
    const pixels = greyed(course.pixels(canvas, 3)), edge = pixels.filter((_, i) => {
      const x = i % canvas.width, y = Math.floor(i / canvas.width);
      return x === 0 || y === 0 || x === canvas.width - 1 || y === canvas.height - 1;
    });
    return edge.reduce((sum, value) => sum + value, 0) / edge.length > 127;
  }

  /* ---- The page -------------------------------------------------------------------------------------------------- */

  const check = (label, checked) => {
    const box = element("input", { type: "checkbox", checked, onchange: answerSoon });
    return [box, element("label", { class: "ask-check" }, box, ` ${label}`)];
  };
  const [invert, invertLabel] = check("invert: light becomes dark", false);
  const [fit, fitLabel] = check("cut away the empty edge", data.fit);
  const options = element("div", { class: "course-row", hidden: true }, invertLabel, fitLabel);
  const names = data.labels.map((label, i) => `Test picture ${i + 1}, ${data.classes[label]}`);
  const row = course.pictureButtons(data.labels.map((_, i) => samples.canvas(i)), names,
    (place) => ask({ kind: "sample", place }));
  const file = element("input", { type: "file", accept: "image/*",
    onchange: () => file.files.length && upload(file.files[0]) });
  clear();
  row.press(0);
  root.append(
    element("p", {}, "Pick a test picture, draw, or take a picture of your own:"),
    row.row,
    element("div", { class: "course-row" },
      element("label", { class: "ask-check" }, "Your picture (it is not sent anywhere): ", file)),
    problem, options,
    element("div", { class: "ask-sources" },
      element("div", {}, board,
        element("div", { class: "course-row" },
          course.choice("Pen", Object.keys(SHADES), (_, name) => { shade = name; }, Object.keys(SHADES).indexOf(shade)),
          course.button("Clear", () => { clear(); ask({ kind: "drawing" }); }))),
      element("div", { class: "ask-told" }, seen,
        element("p", { class: "course-muted" }, `What ${us} sees: ${width} × ${height} pixels`), spoken, warning)),
    element("div", { class: "course-columns" }, ...cards));
  answer();
});
