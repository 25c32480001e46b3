/* A kernel moves over a photograph: window, weights, products, their sum, and the picture that all sums make. */
"use strict";
{
  const LARGEST = 7;
  /** A number as people write it, to so many digits but never less than whole. */
  const show = (value, digits = 3) => {
    const whole = Math.abs(value) >= 10 ** (digits - 1);
    return String(whole ? Math.round(value) : Number(value.toPrecision(digits))).replace("-", "−");
  };

  /** Pixels from the first to the last that a side of the kernel covers. */
  const spanOf = (side, dilation) => dilation * (side - 1) + 1;
  const sizeOf = (n, side, { stride, padding, dilation }) =>
    Math.floor((n + 2 * padding - spanOf(side, dilation)) / stride) + 1;

  /** As the Python function of that name, for one filter: `image` has its channels last, and `weights` too. */
  function convolve(image, [height, width, channels], weights, side, how) {
    const { stride, padding, dilation } = how;
    const shape = [sizeOf(height, side, how), sizeOf(width, side, how)];
    const values = new Float64Array(Math.max(0, shape[0]) * Math.max(0, shape[1]));
    for (let row = 0, place = 0; row < shape[0]; row++) {
      for (let column = 0; column < shape[1]; column++, place++) {
        let sum = 0;
        for (let i = 0; i < side; i++) {
          const y = row * stride + i * dilation - padding;
          if (y < 0 || y >= height) continue; // zeros
          for (let j = 0; j < side; j++) {
            const x = column * stride + j * dilation - padding;
            if (x < 0 || x >= width) continue;
            for (let c = 0; c < channels; c++)
              sum += weights[(i * side + j) * channels + c] * image[(y * width + x) * channels + c];
          }
        }
        values[place] = sum;
      }
    }
    return { shape, values };
  }

  /** What the window of one result holds, channels last, zeros where there is padding. */
  function windowAt(image, [height, width, channels], side, { stride, padding, dilation }, [row, column]) {
    const found = [];
    for (let place = 0; place < side * side; place++) {
      const y = row * stride + Math.floor(place / side) * dilation - padding;
      const x = column * stride + (place % side) * dilation - padding;
      const inside = y >= 0 && y < height && x >= 0 && x < width;
      for (let c = 0; c < channels; c++) found.push(inside ? image[(y * width + x) * channels + c] : 0);
    }
    return found;
  }

  const SHOWN = {
    "0 is black, 255 is white": () => [0, 255],
    "128 is zero": () => [-128, 127],
    "least is black, largest is white": (values) =>
      values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]),
  };
  const WAYS = Object.keys(SHOWN);

  course.convolve = convolve;
  course.widget("kernel", async (root, data) => {
    const { element, svg, number, choice, button } = course;
    const pictures = {};
    for (const name of ["grey", "colour"]) {
      if (!data[name]) continue;
      const { height, width, channels, values } = await course.sprite(data[name]);
      pictures[name] = { shape: [height, width, channels], values: values(0) };
    }
    const names = Object.keys(data.kernels);
    const at = { picture: "grey", kernel: [], side: 3, turned: false, shown: WAYS[0], place: [0, 0],
      factors: [1, 1, 1], how: { stride: 1, padding: 0, dilation: 1 } };
    let result = null;

    /** The weights as they are laid on the image, channels last. */
    function weights() {
      const { channels } = size();
      const laid = at.turned ? [...at.kernel].reverse() : at.kernel;
      return laid.flatMap((weight) => channels === 1 ? [weight] : at.factors.map((factor) => factor * weight));
    }
    const size = () => {
      const [height, width, channels] = pictures[at.picture].shape;
      return { height, width, channels };
    };

    /* ---- What is set ------------------------------------------------------------------------------------------ */

    const cells = element("div", { class: "kernel-weights", role: "group", "aria-label": "weights of the kernel" });
    function drawWeights() {
      cells.style.setProperty("--side", at.side);
      cells.replaceChildren(...at.kernel.map((weight, i) => {
        const label = `weight in row ${Math.floor(i / at.side) + 1}, column ${(i % at.side) + 1}`;
        const field = element("input", { type: "number", step: "any", "aria-label": label,
          value: Number(weight.toPrecision(3)),
          title: weight });
        field.addEventListener("input", () => {
          if (field.value === "" || !field.validity.valid) return;
          at.kernel[i] = Number(field.value);
          update();
        });
        return field;
      }));
    }
    function setKernel(kernel) {
      at.side = kernel.length;
      at.kernel = kernel.flat();
      sides.querySelector("select").selectedIndex = at.side - 1;
      drawWeights();
      suitSum();
      update();
    }
    /** Show the result in the way that suits the sum of the weights. */
    function suitSum() {
      const sum = weights().reduce((a, b) => a + b, 0);
      at.shown = Math.abs(sum) < 1e-6 ? WAYS[1] : sum > 0 && sum < 1.01 ? WAYS[0] : WAYS[2];
      ways.querySelector("select").value = at.shown;
    }
    function setSide(side) {
      // The middle stays, and what is new around it is zero.
      const shift = Math.floor((side - at.side) / 2), old = at.kernel, before = at.side;
      at.kernel = Array.from({ length: side * side }, (_, i) => {
        const y = Math.floor(i / side) - shift, x = (i % side) - shift;
        return y >= 0 && x >= 0 && y < before && x < before ? old[y * before + x] : 0;
      });
      at.side = side;
      drawWeights();
      update();
    }
    const presets = choice("Kernel", names, (i, name) => setKernel(data.kernels[name]));
    const sides = choice("rows and columns", Array.from({ length: LARGEST }, (_, i) => `${i + 1} × ${i + 1}`),
      (i) => setSide(i + 1), 2);
    const modes = choice("Laid on", ["as it is (correlation)", "turned by 180° (convolution)"],
      (i) => { at.turned = i === 1; update(); });
    const ways = choice("Result shown with", WAYS, (i, name) => { at.shown = name; update(); });
    const steps = [["Stride s", "stride", 1, 4], ["Padding p", "padding", 0, 12], ["Dilation d", "dilation", 1, 4]]
      .map(([label, key, min, max]) =>
        number(label, { min, max, step: 1, value: at.how[key] }, (value) => { at.how[key] = value; update(); }));
    const same = button("keep the size", () => {
      const field = steps[1].querySelector("input");
      at.how.padding = field.value = (spanOf(at.side, at.how.dilation) - 1) / 2;
      update();
    }, { title: "with stride 1: padding d(k − 1)/2" });
    const factors = element("span", { class: "course-row", hidden: true }, "The kernel's factor for",
      ...["red", "green", "blue"].map((name, c) =>
        number(name, { step: "any", value: 1 }, (value) => { at.factors[c] = value; update(); })));
    const colours = pictures.colour && choice("Picture", ["grey", "red, green and blue"], (i) => {
      at.picture = i ? "colour" : "grey";
      factors.hidden = !i;
      suitSum();
      update();
    });

    /* ---- The two pictures ------------------------------------------------------------------------------------- */

    function stage(attributes, move) {
      const canvas = element("canvas", { "aria-hidden": "true" }), marks = svg("svg", { "aria-hidden": "true" });
      const box = element("div", { class: "kernel-stage", ...attributes }, canvas, marks);
      const follow = (event) => {
        const { left, top, width, height } = box.getBoundingClientRect();
        move([((event.clientY - top) / height) * canvas.height, ((event.clientX - left) / width) * canvas.width]);
      };
      // A mouse is followed as it hovers; a finger after a tap, or as it moves sideways, so that the page can scroll.
      box.addEventListener("pointermove",
        (event) => (event.pointerType !== "touch" || event.pressure) && follow(event));
      box.addEventListener("pointerdown", follow);
      const caption = element("h3");
      return { whole: element("div", {}, caption, box), box, canvas, marks, caption };
    }
    const goTo = ([row, column]) => {
      at.place = [row, column].map((value, axis) => Math.max(0, Math.min(result.shape[axis] - 1, Math.round(value))));
      drawPlace();
    };
    const about = course.uniqueId("about");
    const input = stage({ tabindex: 0, role: "application",
      "aria-label": "photograph; the arrow keys move the window, with Shift ten steps", "aria-describedby": about },
    ([y, x]) => {
      const half = spanOf(at.side, at.how.dilation) / 2;
      goTo([y, x].map((value) => (value - half) / at.how.stride));
    });
    const bubble = element("span", { class: "kernel-bubble", "aria-hidden": "true" });
    input.box.append(bubble);
    const output = stage({ role: "img", "aria-label": "what the kernel makes of the photograph" },
      (place) => goTo(place.map(Math.floor)));
    input.box.addEventListener("keydown", (event) => {
      const [down, across] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key]
        ?? [];
      if (down === undefined) return;
      event.preventDefault();
      const far = event.shiftKey ? 10 : 1;
      goTo([at.place[0] + far * down, at.place[1] + far * across]);
    });

    /* ---- What is computed ------------------------------------------------------------------------------------- */

    const formula = element("p", { "aria-live": "polite", class: "kernel-formula" });
    const range = element("p", { class: "course-muted" });
    const sums = element("p", { id: about, "aria-live": "polite", class: "kernel-sum" });
    const tables = element("div", { class: "kernel-tables", tabindex: 0, role: "region",
      "aria-label": "pixels, weights and products" });

    function update() {
      const { height, width, channels } = size(), { stride, padding, dilation } = at.how;
      const { shape, values } = pictures[at.picture];
      result = convolve(values, shape, weights(), at.side, at.how);
      const rows = (n) => `⌊(${n} + 2 · ${padding} − ${dilation} · (${at.side} − 1) − 1) / ${stride}⌋ + 1 = `
        + sizeOf(n, at.side, at.how);
      const lines = height === width ? [["Rows and columns", height]] : [["Rows", height], ["Columns", width]];
      formula.replaceChildren("Rows or columns of the result: ⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1",
        ...lines.map(([name, n]) => element("span", {}, `${name}: ${rows(n)}`)));
      const padded = [height + 2 * padding, width + 2 * padding, channels];
      const framed = new Float32Array(padded[0] * padded[1] * channels);
      for (let y = 0; y < height; y++)
        framed.set(values.subarray(y * width * channels, (y + 1) * width * channels),
          ((y + padding) * padded[1] + padding) * channels);
      course.paint(input.canvas, framed, padded);
      input.caption.textContent = `Photograph, ${height} × ${width}${channels > 1 ? " × 3" : ""}`
        + (padding ? `, with ${padding} zeros around it` : "");
      const [low, high] = SHOWN[at.shown](result.values);
      course.paint(output.canvas, result.values, [...result.shape, 1], low, high);
      output.caption.textContent = `Result, ${result.shape[0]} × ${result.shape[1]}`;
      const [least, most] = SHOWN[WAYS[2]](result.values);
      const total = weights().reduce((a, b) => a + b, 0);
      range.textContent = `The weights sum to ${show(Number(total.toFixed(6)))}. `
        + `The result runs from ${show(least)} to ${show(most)}.`;
      same.disabled = spanOf(at.side, dilation) % 2 === 0;
      for (const { canvas, marks } of [input, output])
        marks.setAttribute("viewBox", `0 0 ${canvas.width} ${canvas.height}`);
      goTo(at.place);
    }

    function drawPlace() {
      const [row, column] = at.place, { stride, dilation } = at.how;
      const corner = [row * stride, column * stride], span = spanOf(at.side, dilation);
      const rectangle = (x, y, side, name) => svg("rect", { x, y, width: side, height: side, class: name });
      const taken = dilation === 1 ? [] : Array.from({ length: at.side ** 2 }, (_, i) => {
        const [down, across] = [Math.floor(i / at.side), i % at.side];
        return rectangle(corner[1] + across * dilation, corner[0] + down * dilation, 1, "kernel-taken");
      });
      input.marks.replaceChildren(...taken, ...["kernel-under", "kernel-over"].map((name) =>
        rectangle(corner[1], corner[0], span, name)));
      // One pixel is hard to see: its frame stands around it.
      output.marks.replaceChildren(...["kernel-under", "kernel-over"].map((name) =>
        rectangle(column - 1, row - 1, 3, name)));

      const { channels } = size(), laid = weights();
      const [across, down] = [corner[1] / input.canvas.width, (corner[0] + span / 2) / input.canvas.height];
      bubble.style.top = `${100 * down}%`;
      bubble.style.left = across < 0.5 ? `${100 * (across + span / input.canvas.width)}%` : "auto";
      bubble.style.right = across < 0.5 ? "auto" : `${100 * (1 - across)}%`;
      const pixels = windowAt(pictures[at.picture].values, pictures[at.picture].shape, at.side, at.how, at.place);
      const products = pixels.map((pixel, i) => pixel * laid[i]);
      const value = result.values[row * result.shape[1] + column];
      const parts = Array.from({ length: channels }, (_, c) => (list) => list.filter((_, i) => i % channels === c));
      tables.replaceChildren(...parts.map((part, c) => {
        const name = channels === 1 ? "" : `, ${["red", "green", "blue"][c]}`;
        const sum = part(products).reduce((a, b) => a + b, 0);
        return element("div", {}, table(`pixels${name}`, part(pixels), shade), sign("×"),
          table(`weights${name}`, part(laid)), sign("="),
          table(`products, sum ${show(sum, 5)}`, part(products)));
      }));
      const sumsOf = parts.map((part) => part(products).reduce((a, b) => a + b, 0));
      bubble.textContent = `sum ${show(value, 4)}`;
      const whence = channels === 1 ? "the products sum to "
        : `${sumsOf.map((sum) => show(sum, 5)).join(" + ")}, red + green + blue, is `;
      sums.replaceChildren(`Row ${row}, column ${column} of the result: ${whence}`,
        element("strong", {}, show(value, 5)), ".");
    }

    const sign = (text) => element("span", { class: "kernel-sign" }, text);
    const shade = (value) => `background: rgb(${value} ${value} ${value}); color: ${value > 118 ? "#000" : "#fff"}`;
    function table(caption, values, look = () => null) {
      const rows = Array.from({ length: at.side }, (_, i) => element("tr", {},
        ...values.slice(i * at.side, (i + 1) * at.side).map((value) => element("td", { style: look(value) },
          show(value)))));
      return element("table", { class: "kernel-grid" }, element("caption", {}, caption), element("tbody", {}, ...rows));
    }

    root.append(
      element("div", { class: "course-row" }, presets, ...(colours ? [colours] : []), modes),
      factors,
      element("div", { class: "course-columns" },
        element("div", {}, element("div", { class: "course-row" }, sides), cells),
        element("div", {}, element("div", { class: "course-row" }, ...steps, same), formula)),
      element("div", { class: "kernel-pictures" }, input.whole, output.whole),
      sums,
      tables,
      element("div", { class: "course-row" }, ways),
      range);
    at.place = [size().height, size().width].map((side) => Math.floor(side / 3));
    setKernel(data.kernels[names[0]]);
  });
}
