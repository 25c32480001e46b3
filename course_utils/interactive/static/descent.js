/* Gradient descent on the loss of a model with two weights: the map of the loss, the fit, the loss at each step. */
"use strict";
{
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const squared = (predict, slopes) => ({
    predict,
    loss: (x, y, a, b) => (predict(x, a, b) - y) ** 2,
    slopes: (x, y, a, b) => slopes(x, a, b).map((slope) => 2 * (predict(x, a, b) - y) * slope),
  });
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));

  /** For one point: what the model says, its loss, and the slopes of that loss along both weights. */
  const MODELS = {
    line: squared((x, a, b) => a * x + b, (x) => [x, 1]),
    neuron: squared((x, a, b) => b * Math.tanh(a * x),
      (x, a, b) => [b * x * (1 - Math.tanh(a * x) ** 2), Math.tanh(a * x)]),
    classifier: {
      predict: (x, a, b) => sigmoid(a * x + b),
      // ln(1 + e^z) − y z, written so that nothing overflows
      loss: (x, y, a, b) => {
        const z = a * x + b;
        return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - y * z;
      },
      slopes: (x, y, a, b) => {
        const error = sigmoid(a * x + b) - y;
        return [error * x, error];
      },
    },
  };

  /** Mean loss over the points, and its two slopes. */
  function gradient(name, x, y, a, b) {
    const { loss, slopes } = MODELS[name];
    const each = x.map((value, i) => slopes(value, y[i], a, b));
    return { loss: mean(x.map((value, i) => loss(value, y[i], a, b))),
      slopes: [0, 1].map((axis) => mean(each.map((pair) => pair[axis]))) };
  }

  /** One step, as `keras.optimizers.SGD` does it; `speed` is that of the step before. */
  function step({ weights, speed }, slopes, rate, momentum) {
    const next = speed.map((value, axis) => momentum * value - rate * slopes[axis]);
    return { weights: weights.map((value, axis) => value + next[axis]), speed: next };
  }

  const MOST_STEPS = 300, TOO_HIGH = 1e6, FLAT = 1e-4;
  const show = (value) => (Math.abs(value) >= 1e4 || (value && Math.abs(value) < 1e-3) ? value.toExponential(1)
    : String(Number(value.toFixed(3)))).replaceAll("-", "−");

  const factor = (value) => (value < 0 ? `(${show(value)})` : show(value));

  /* ---- Drawings ----------------------------------------------------------------------------------------------- */

  const WIDTH = 320, HEIGHT = 260, EDGE = { left: 42, right: 8, top: 8, bottom: 36 };

  /** Axes: `box` is least and largest x, least and largest y; `ticks` of each are written with `write`. */
  function plot([left, right, bottom, top], xname, yname, ticks, label, write = show) {
    const { svg } = course;
    const x = (value) => EDGE.left + ((value - left) / (right - left)) * (WIDTH - EDGE.left - EDGE.right);
    const y = (value) => HEIGHT - EDGE.bottom - ((value - bottom) / (top - bottom)) * (HEIGHT - EDGE.top - EDGE.bottom);
    const clip = course.uniqueId("clip"), frame = { x: EDGE.left, y: EDGE.top,
      width: WIDTH - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
    const inside = svg("g", { "clip-path": `url(#${clip})` });
    const text = (content, attributes) => svg("text", attributes, content);
    const whole = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      svg("clipPath", { id: clip }, svg("rect", frame)), inside, svg("rect", { ...frame, class: "descent-frame" }),
      ...ticks[0].map((at) => text(write(at, 0), { x: x(at), y: HEIGHT - EDGE.bottom + 14, "text-anchor": "middle" })),
      ...ticks[1].map((at) => text(write(at, 1), { x: EDGE.left - 4, y: y(at) + 4, "text-anchor": "end" })),
      text(xname, { x: (EDGE.left + WIDTH - EDGE.right) / 2, y: HEIGHT - 4, "text-anchor": "middle" }),
      text(yname, { x: 10, y: HEIGHT / 2 - 10, "text-anchor": "middle",
        transform: `rotate(-90 10 ${HEIGHT / 2 - 10})` }));
    const points = (pairs) => pairs.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ");
    return { whole, inside, x, y, points, frame };
  }
  /** Round numbers between two ends, about four. */
  function ticksOf(low, high) {
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const size = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
    const first = Math.ceil(low / size), last = Math.floor(high / size);
    return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * size);
  }

  course.descent = { gradient, step };
  course.widget("descent", (root, data) => {
    const { element, svg, number, choice, button } = course;
    const kinds = Object.keys(data.problems);
    const at = { name: kinds[0], rate: 0.05, momentum: 0, path: [], timer: null };
    const problem = () => data.problems[at.name];
    const last = () => at.path[at.path.length - 1];

    function begin(weights) {
      stop();
      at.path = [visit({ weights, speed: [0, 0] })];
      weights.forEach((value, axis) => { starts[axis].querySelector("input").value = Number(value.toFixed(3)); });
      draw();
    }
    const visit = (state) => ({ ...state, ...gradient(at.name, problem().x, problem().y, ...state.weights) });
    const ended = () => !(last().loss < TOO_HIGH) || Math.hypot(...last().slopes) < FLAT
      || at.path.length > MOST_STEPS;
    function advance() {
      if (!ended()) at.path.push(visit(step(last(), last().slopes, at.rate, at.momentum)));
      if (ended()) stop();
      draw();
    }
    function stop() {
      clearInterval(at.timer);
      at.timer = null;
      run.textContent = "Run";
    }
    function start() {
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
        while (!ended()) at.path.push(visit(step(last(), last().slopes, at.rate, at.momentum)));
        return draw();
      }
      run.textContent = "Pause";
      at.timer = setInterval(advance, 80);
    }

    /* ---- What is set ------------------------------------------------------------------------------------------ */

    const kind = choice("Model", kinds.map((name) => data.problems[name].title), (i) => open(kinds[i]));
    function slider(label, attributes, meaning, change) {
      const said = element("output", {});
      const tell = (value) => {
        said.textContent = meaning(value);
        field.querySelector("input").setAttribute("aria-valuetext", meaning(value));
      };
      const field = number(label, { type: "range", ...attributes }, (value) => { tell(value); change(value); draw(); });
      tell(attributes.value);
      field.append(said);
      return { field, set: (value) => { field.querySelector("input").value = value; tell(value); } };
    }
    const rateOf = (exponent) => Number((10 ** exponent).toPrecision(2));
    const rates = slider("Learning rate", { min: -3, max: 1.5, step: 0.05, value: Math.log10(at.rate) },
      (value) => show(rateOf(value)), (value) => { at.rate = rateOf(value); });
    const momenta = slider("Momentum", { min: 0, max: 0.95, step: 0.05, value: 0 }, (value) => String(Number(value)),
      (value) => { at.momentum = value; });
    const run = button("Run", () => (at.timer ? stop() : start()));
    const once = button("Step", () => { stop(); advance(); });
    const reset = button("Back to the start", () => begin(at.path[0].weights));
    let starts = [];

    /* ---- What is shown ---------------------------------------------------------------------------------------- */

    const map = element("div", { class: "descent-map" }), fit = element("div", {}), curve = element("div", {});
    const formula = element("p", {}), facts = element("p", { class: "descent-facts" });
    const verdict = element("p", { "aria-live": "polite", class: "descent-verdict" });
    const startRow = element("div", { class: "course-row" });
    let ground, trace, cloud;

    function open(name) {
      at.name = name;
      const { box, names, start: first, formula: text, x, y, title } = problem();
      at.rate = problem().rate;
      rates.set(Math.log10(at.rate));
      formula.textContent = `The model: ${text}, with the weights ${names[0]} and ${names[1]}.`;
      starts = names.map((each, axis) => number(`Start ${each}`, { step: "any" }, (value) => {
        const weights = [...at.path[0].weights];
        weights[axis] = value;
        begin(weights);
      }));
      startRow.replaceChildren(...starts, element("small", {}, "or choose a place on the map"));
      ground = plot(box, names[0], names[1], [ticksOf(box[0], box[1]), ticksOf(box[2], box[3])],
        `map of the loss over ${names[0]} and ${names[1]}, with the path so far`);
      for (const { loss, lines } of problem().levels) {
        for (const line of lines) {
          ground.inside.append(svg("polyline", { points: ground.points(line), class: "descent-level" },
            svg("title", {}, `loss ${loss}`)));
        }
      }
      trace = svg("g");
      ground.inside.append(trace);
      ground.whole.addEventListener("click", ({ clientX, clientY }) => {
        const { left, top, width, height } = ground.whole.getBoundingClientRect(), { frame } = ground;
        const across = (((clientX - left) / width) * WIDTH - frame.x) / frame.width;
        const up = 1 - (((clientY - top) / height) * HEIGHT - frame.y) / frame.height;
        if (Math.min(across, up) < 0 || Math.max(across, up) > 1) return;
        begin([box[0] + across * (box[1] - box[0]), box[2] + up * (box[3] - box[2])]);
      });
      map.replaceChildren(ground.whole);
      const around = (values) => {
        const [low, high] = [Math.min(...values), Math.max(...values)];
        return [low - 0.15 * (high - low), high + 0.15 * (high - low)];
      };
      const limits = [...around(x), ...around(y)];
      cloud = plot(limits, "x", at.name === "classifier" ? "p, and class 0 or 1" : "y",
        [ticksOf(limits[0], limits[1]), ticksOf(limits[2], limits[3])], `the data and what the model says: ${title}`);
      cloud.line = svg("polyline", { class: "descent-fit" });
      cloud.inside.append(...x.map((value, i) => svg("circle", { cx: cloud.x(value), cy: cloud.y(y[i]), r: 4,
        class: "descent-point" })), cloud.line);
      cloud.limits = limits;
      fit.replaceChildren(cloud.whole);
      begin([...first]);
    }

    function draw() {
      const { names, limit } = problem(), { weights, slopes, loss, speed } = last();
      const shown = at.path.filter((each) => each.weights.every(Number.isFinite));
      const circles = shown.map(({ weights: [a, b] }, i) => svg("circle", { cx: ground.x(a), cy: ground.y(b),
        r: i === shown.length - 1 ? 6 : 2.5, class: i === shown.length - 1 ? "descent-here" : "descent-past" }));
      trace.replaceChildren(svg("polyline", { points: ground.points(shown.map((each) => each.weights)),
        class: "descent-path" }), ...circles);
      const [low, high] = cloud.limits;
      const line = Array.from({ length: 61 }, (_, i) => low + (i / 60) * (high - low));
      const said = line.map((x) => [x, MODELS[at.name].predict(x, ...weights)]).filter(([, y]) => Math.abs(y) < 1e4);
      cloud.line.setAttribute("points", cloud.points(said));
      drawCurve();
      const move = step(last(), slopes, at.rate, at.momentum).speed;
      facts.replaceChildren(
        element("span", {}, `Step ${at.path.length - 1}: `, element("strong", {}, `loss ${show(loss)}`)),
        ...names.map((name, axis) => element("span", {},
          `${name} = ${show(weights[axis])}, slope ${show(slopes[axis])}, next move `
          + (at.momentum ? `${at.momentum} · ${factor(speed[axis])} ` : "")
          + `− ${show(at.rate)} · ${factor(slopes[axis])} = ${show(move[axis])}`)));
      const largest = limit && limit * (1 + at.momentum);
      verdict.textContent = [
        !(loss < TOO_HIGH) ? "The steps overshoot further each time: the loss grows without end. The rate is too large."
          : Math.hypot(...slopes) < FLAT ? "The ground is flat here: the steps have come to an end."
            : at.path.length > MOST_STEPS ? `After ${MOST_STEPS} steps it is still on its way.` : "",
        largest ? `This bowl can be descended with rates below ${show(largest)}.` : ""].join(" ").trim();
      once.disabled = ended();
      if (!at.timer) run.disabled = ended();
    }

    /** The losses so far, on an axis of powers of ten. */
    function drawCurve() {
      const losses = at.path.map((each) => Math.log10(each.loss)).filter(Number.isFinite);
      const low = Math.floor(Math.min(...losses)), high = Math.max(low + 1, Math.ceil(Math.max(...losses)));
      const steps = Math.max(10, at.path.length - 1);
      const powers = Array.from({ length: high - low + 1 }, (_, i) => low + i).filter((i) => (i - low) % 2 === 0
        || high - low < 5);
      const drawn = plot([0, steps, low, high], "step", "loss", [ticksOf(0, steps), powers],
        "loss at each step so far", (value, axis) => (axis ? show(10 ** value) : show(value)));
      drawn.inside.append(svg("polyline", { points: drawn.points(losses.map((value, i) => [i, value])),
        class: "descent-path" }));
      drawn.inside.append(svg("circle", { cx: drawn.x(losses.length - 1), cy: drawn.y(losses[losses.length - 1]), r: 5,
        class: "descent-here" }));
      curve.replaceChildren(drawn.whole);
    }

    root.append(
      element("div", { class: "course-row" }, kind),
      formula,
      element("div", { class: "course-row" }, rates.field, momenta.field),
      element("div", { class: "course-row" }, once, run, reset),
      facts,
      verdict,
      element("div", { class: "course-columns" }, map, fit, curve),
      startRow);
    open(at.name);
  });
}
