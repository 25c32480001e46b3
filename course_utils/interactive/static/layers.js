/* Walk through a network: layer by layer, map by map, down to the window and the weights that made one number. */
"use strict";

window.course.widget("layers", async (root, data) => {
  const { course } = window;
  const { element } = course;
  const network = course.network(data.weights);
  const samples = await course.sprite(data.samples);
  const KINDS = {
    input: "the picture", conv: "convolution", dense: "dense", max: "max pooling", average: "average pooling",
    affine: "normalisation", activation: "activation", flatten: "flatten", "global average": "global average",
    same: "unchanged", add: "sum of two ways", concatenate: "joined",
  };
  const shown = (value) => (Math.abs(value) >= 100 ? value.toFixed(1) : value.toFixed(3)).replace("-", "−");
  const sizeOf = ({ shape }) => shape.join(" × ");

  /* ---- Where a reader is ---------------------------------------------------------------------------------------- */

  const at = { sample: 0, step: 1, channel: 0, row: 0, column: 0 };
  let made = [];

  /** An output as maps: rows, columns, channels; a list of numbers is many maps of one number. */
  function maps(step) {
    const { shape, values } = made[step];
    return { values, shape: shape.length === 3 ? shape : [1, 1, values.length] };
  }

  /** A number of some maps; null beyond their edge. */
  function valueOf({ values, shape: [height, width, channels] }, row, column, channel) {
    const inside = row >= 0 && column >= 0 && row < height && column < width;
    return inside ? values[(row * width + column) * channels + channel] : null;
  }

  function extremes({ values }) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return [low, high];
  }

  /** One map on a canvas; all maps of a layer have one scale. */
  function paintMap(canvas, step, channel) {
    const each = maps(step), [height, width, channels] = each.shape;
    const plane = Float32Array.from({ length: height * width }, (_, i) => each.values[i * channels + channel]);
    return course.paint(canvas, plane, [height, width, 1], ...extremes(each));
  }

  /* ---- How a number is made ------------------------------------------------------------------------------------- */

  /** The window that a number is made from: the rows and columns of the input; outside of the picture too. */
  function windowOf(step, shape, kernel) {
    return [at.row, at.column].map((place, axis) => {
      const stride = step.strides[axis], dilation = (step.dilation ?? [1, 1])[axis];
      const { start } = network.windows(shape[axis], kernel[axis], stride, dilation, step.padding);
      return Array.from({ length: kernel[axis] }, (_, i) => start + place * stride + i * dilation);
    });
  }

  function grid(caption, rows, marked = () => false) {
    return element("table", { class: "layers-grid" }, element("caption", {}, caption),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((value) =>
        element("td", { class: value !== null && marked(value) ? "layers-marked" : null },
          value === null ? "·" : shown(value)))))));
  }

  const withBias = ({ bias }) => (bias ? `, with the bias ${shown(bias.values[at.channel])}` : "");

  /** A convolution's number: for each channel of the input, what its window adds; the largest are shown. */
  function explainConvolution(step, input) {
    const [rows, columns, channels, filters] = step.kernel.shape;
    const [down, across] = windowOf(step, input.shape, [rows, columns]);
    const terms = Array.from({ length: channels }, (_, c) => {
      const values = down.map((row) => across.map((column) => valueOf(input, row, column, c)));
      const weights = down.map((_, i) => across.map((_, j) =>
        step.kernel.values[((i * columns + j) * channels + c) * filters + at.channel]));
      const sum = values.flat().reduce((total, value, i) => total + (value ?? 0) * weights.flat()[i], 0);
      return { c, values, weights, sum };
    }).sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
    const parts = terms.slice(0, 3).map(({ c, values, weights, sum }) => element("div", { class: "layers-term" },
      grid(`map ${c + 1}: window`, values), "×", grid("weights", weights), `= ${shown(sum)}`));
    const rest = terms.slice(3).reduce((total, { sum }) => total + sum, 0);
    if (terms.length > 3) parts.push(element("p", {}, `The other ${terms.length - 3} maps add ${shown(rest)}.`));
    const bias = step.bias ? step.bias.values[at.channel] : 0;
    const total = terms.reduce((sum, each) => sum + each.sum, bias);
    return { parts, source: terms[0].c, box: [down, across], total, sum: withBias(step) };
  }

  function explainDense(step, input) {
    const [depth, width] = step.kernel.shape;
    const terms = Array.from({ length: depth }, (_, i) =>
      ({ i, value: input.values[i], weight: step.kernel.values[i * width + at.channel] }))
      .sort((a, b) => Math.abs(b.value * b.weight) - Math.abs(a.value * a.weight));
    const rows = terms.slice(0, 5).map(({ i, value, weight }) => element("tr", {},
      element("th", { scope: "row" }, `number ${i + 1}`),
      ...[value, weight, value * weight].map((each) => element("td", {}, shown(each)))));
    const head = ["input", "weight", "product"].map((text) => element("th", { scope: "col" }, text));
    const bias = step.bias ? step.bias.values[at.channel] : 0;
    const sum = terms.slice(5).reduce((total, { value, weight }) => total + value * weight, 0);
    const total = terms.reduce((all, { value, weight }) => all + value * weight, bias);
    return { total, sum: withBias(step), parts: [
      element("table", { class: "layers-grid" }, element("caption", {}, "The largest products"),
        element("thead", {}, element("tr", {}, element("td"), ...head)), element("tbody", {}, ...rows)),
      ...(depth > 5 ? [element("p", {}, `The other ${depth - 5} products add ${shown(sum)}.`)] : [])] };
  }

  function explainPooling(step, input) {
    const box = windowOf(step, input.shape, step.size);
    const rows = box[0].map((row) => box[1].map((column) => valueOf(input, row, column, at.channel)));
    const inside = rows.flat().filter((value) => value !== null), top = Math.max(...inside);
    const mean = inside.reduce((sum, value) => sum + value, 0) / inside.length;
    return { box, source: at.channel, total: step.kind === "max" ? top : mean,
      parts: [grid("window", rows, (value) => step.kind === "max" && value === top)],
      sum: step.kind === "max" ? ", of which it is the largest" : ", of which it is the mean" };
  }

  function explain(step) {
    if (step.kind === "input") return { parts: [element("p", {}, "A pixel of the picture, from 0 to 1.")] };
    const input = maps(step.from[0]);
    const before = valueOf(input, at.row, at.column, at.channel);
    switch (step.kind) {
      case "conv": return explainConvolution(step, input);
      case "dense": return explainDense(step, input);
      case "max": case "average": return explainPooling(step, input);
      case "affine": {
        const [scale, shift] = [step.scale, step.shift].map(({ values }) => values[at.channel % values.length]);
        return { source: at.channel, box: [[at.row], [at.column]], total: before * scale + shift, sum: "",
          parts: [element("p", {}, `${shown(before)} × ${shown(scale)} + ${shown(shift)}`)] };
      }
      case "flatten": {
        const [, width, channels] = input.shape, place = Math.floor(at.channel / channels);
        const [row, column, map] = [Math.floor(place / width), place % width, at.channel % channels];
        return { source: map, box: [[row], [column]],
          parts: [element("p", {}, `Row ${row + 1}, column ${column + 1} of map ${map + 1}.`)] };
      }
      case "global average": {
        const whole = [input.shape[0], input.shape[1]].map((size) => Array.from({ length: size }, (_, i) => i));
        return { source: at.channel, box: whole, parts: [element("p", {}, "The mean of the whole map.")] };
      }
      case "add": return { source: at.channel, box: [[at.row], [at.column]], parts: [element("p", {},
        step.from.map((from) => shown(valueOf(maps(from), at.row, at.column, at.channel))).join(" + "))] };
      default: return before === null ? { parts: [] } : { source: at.channel, box: [[at.row], [at.column]],
        parts: [element("p", {}, `It was ${shown(before)}.`)] };
    }
  }

  /* ---- The page ------------------------------------------------------------------------------------------------- */

  const title = element("h3");
  const scale = element("p", { class: "course-muted" });
  const tiles = element("div", { class: "layers-tiles", role: "group", "aria-label": "Feature maps" });
  const large = element("canvas", { class: "layers-large", tabindex: "0", role: "application",
    "aria-label": "One map. Arrow keys go from number to number." });
  const from = element("canvas", { class: "layers-large", role: "img",
    "aria-label": "What the number was made from, with the window" });
  const outline = element("div", { class: "layers-box" }), fromOutline = element("div", { class: "layers-box" });
  const figureOf = (canvas, box, text) => element("div", {}, element("p", { class: "course-muted" }, text),
    element("div", { class: "layers-frame" }, canvas, box));
  const target = figureOf(large, outline, "This map: point at a number");
  const sourceFigure = figureOf(from, fromOutline, "What it was made from");
  const spoken = element("p", { class: "layers-value", "aria-live": "polite" });
  const parts = element("div", { class: "layers-parts" });
  const answer = element("div");
  const stepNames = network.steps.map(({ name, kind }, i) => `${i}. ${name} (${KINDS[kind]})`);
  const layerChoice = course.choice("Layer", stepNames, (place) => goTo(place), at.step);
  const list = layerChoice.querySelector("select");
  const back = course.button("‹ back", () => goTo(at.step - 1));
  const next = course.button("next ›", () => goTo(at.step + 1));

  function run(sample) {
    at.sample = sample;
    made = network.run(samples.values(sample).map((value) => value / 255));
    const probabilities = [...network.predict(samples.values(sample).map((value) => value / 255))];
    answer.replaceChildren(element("h3", {}, `The answer; it is: ${data.classes[data.labels[sample]]}`),
      course.probabilityBars(data.classes, probabilities, "Probabilities"));
    goTo(at.step);
  }

  function goTo(step) {
    at.step = Math.min(network.steps.length - 1, Math.max(0, step));
    const [height, width, channels] = maps(at.step).shape;
    // Begin with the largest number: there is something to see.
    const largest = made[at.step].values.indexOf(extremes(made[at.step])[1]), place = Math.floor(largest / channels);
    Object.assign(at, { channel: largest % channels, row: Math.floor(place / width), column: place % width });
    list.selectedIndex = at.step;
    [back.disabled, next.disabled] = [at.step === 0, at.step === network.steps.length - 1];
    title.textContent = `${network.steps[at.step].name}: ${sizeOf(made[at.step])} numbers`;
    const [low, high] = extremes(made[at.step]);
    scale.textContent = `Black is ${shown(low)}, white ${shown(high)}, in all maps of this layer.`;
    const flat = height * width === 1;
    const buttons = flat ? [] : Array.from({ length: channels }, (_, c) =>
      course.button(paintMap(element("canvas", { "aria-hidden": "true" }), at.step, c), () => chooseMap(c),
        { "aria-label": `Map ${c + 1}`, "aria-pressed": "false" }));
    tiles.hidden = flat;
    tiles.replaceChildren(...buttons);
    if (buttons.length) course.arrowKeys(tiles);
    chooseMap(at.channel);
  }

  function chooseMap(channel) {
    at.channel = channel;
    [...tiles.children].forEach((each, c) => each.setAttribute("aria-pressed", String(c === channel)));
    const each = maps(at.step), [height, width, channels] = each.shape;
    if (height * width > 1) paintMap(large, at.step, channel);
    else paintList(each);
    chooseValue();
  }

  /** How many numbers of a list stand in a row. */
  const columnsOf = (count) => Math.ceil(Math.sqrt(count));

  function paintList(each) {
    const columns = columnsOf(each.values.length), rows = Math.ceil(each.values.length / columns);
    const [low, high] = extremes(each);
    const filled = Float32Array.from({ length: rows * columns }, (_, i) => each.values[i] ?? low);
    course.paint(large, filled, [rows, columns, 1], low, high);
  }

  function chooseValue() {
    const each = maps(at.step), [height, width, channels] = each.shape, flat = height * width === 1;
    const value = valueOf(each, at.row, at.column, at.channel), step = network.steps[at.step];
    const { parts: found, source, box, total, sum } = explain(step);
    const columns = columnsOf(channels);
    const cell = flat ? [[Math.floor(at.channel / columns)], [at.channel % columns]] : [[at.row], [at.column]];
    surround(outline, cell, large);
    const place = flat ? `Number ${at.channel + 1}`
      : `Map ${at.channel + 1}, row ${at.row + 1}, column ${at.column + 1}`;
    const activated = step.activation && step.activation !== "linear";
    const how = { conv: "the sum of all products", dense: "the sum of all products", max: "the window",
      average: "the window", affine: "a multiplication and an addition" }[step.kind];
    spoken.replaceChildren(element("strong", {}, `${place}: ${shown(value)}`), how ? `: ${how}${sum}` : "",
      how && activated ? `, is ${shown(total)}; ${step.activation} makes it ${shown(value)}.` : ".");
    parts.replaceChildren(...found);
    sourceFigure.hidden = source === undefined || maps(step.from[0]).shape[0] * maps(step.from[0]).shape[1] === 1;
    if (!sourceFigure.hidden) {
      paintMap(from, step.from[0], source);
      surround(fromOutline, box, from);
      sourceFigure.querySelector("p").textContent = `Map ${source + 1} of what it was made from`;
    }
  }

  /** Put a frame around some rows and columns of a canvas. */
  function surround(frame, [rows, columns], { width, height }) {
    const share = (value, whole) => `${(100 * value) / whole}%`;
    Object.assign(frame.style, {
      left: share(columns[0], width), top: share(rows[0], height),
      width: share(columns.at(-1) - columns[0] + 1, width), height: share(rows.at(-1) - rows[0] + 1, height),
    });
  }

  function pick(row, column) {
    const [height, width, channels] = maps(at.step).shape;
    if (height * width === 1) {
      const columns = columnsOf(channels), place = row * columns + column;
      if (column < 0 || column >= columns || place < 0 || place >= channels) return;
      at.channel = place;
    } else {
      if (row < 0 || column < 0 || row >= height || column >= width) return;
      [at.row, at.column] = [row, column];
    }
    chooseValue();
  }

  function point(event) {
    const box = large.getBoundingClientRect();
    pick(Math.floor(((event.clientY - box.top) / box.height) * large.height),
      Math.floor(((event.clientX - box.left) / box.width) * large.width));
  }
  large.addEventListener("pointerdown", point);
  large.addEventListener("pointermove", (event) => (event.pointerType === "mouse" || event.buttons) && point(event));
  large.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!steps[event.key]) return;
    event.preventDefault();
    const [down, across] = steps[event.key], [height, width, channels] = maps(at.step).shape;
    const columns = columnsOf(channels);
    const here = height * width === 1 ? [Math.floor(at.channel / columns), at.channel % columns] : [at.row, at.column];
    pick(here[0] + down, here[1] + across);
  });

  const names = data.labels.map((label, i) => `Picture ${i + 1}, ${data.classes[label]}`);
  const row = course.pictureButtons(data.labels.map((_, i) => samples.canvas(i)), names, run);
  row.press(0);
  root.append(row.row,
    element("div", { class: "course-row" }, back, layerChoice, next), title, scale, tiles,
    element("div", { class: "layers-pair" }, sourceFigure, target), spoken, parts, answer);
  run(0);
});
