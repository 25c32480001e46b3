/* The forward pass: networks that `interactive.export` wrote, run in the page. Images are rows from the top, channels
   last, as in Keras; a batch is one image. */
"use strict";

{
  const ACTIVATIONS = {
    linear: (values) => values,
    relu: (values) => values.map((x) => (x > 0 ? x : 0)),
    sigmoid: (values) => values.map((x) => 1 / (1 + Math.exp(-x))),
    tanh: (values) => values.map(Math.tanh),
    softmax,
  };

  /** Probabilities from scores, `width` at a time; the largest is subtracted first, so that no power overflows. */
  function softmax(values, width) {
    const made = new Float32Array(values.length);
    for (let begin = 0; begin < values.length; begin += width) {
      const scores = values.subarray(begin, begin + width), top = Math.max(...scores);
      const powers = Array.from(scores, (score) => Math.exp(score - top));
      const sum = powers.reduce((total, power) => total + power, 0);
      made.set(powers.map((power) => power / sum), begin);
    }
    return made;
  }

  /** Where windows lie along an axis: how many there are, and where the first begins; "same" pads more at the end. */
  function windows(size, kernel, stride, dilation, padding) {
    const reach = (kernel - 1) * dilation + 1;
    if (padding === "valid") return { count: Math.ceil((size - reach + 1) / stride), start: 0 };
    const count = Math.ceil(size / stride);
    const missing = Math.max((count - 1) * stride + reach - size, 0);
    return { count, start: -Math.floor(missing / 2) };
  }

  /** Call `visit(place of the window, [row, column of the input], [row, column of the kernel])` within the image. */
  function slide([height, width], [rows, columns], step, visit) {
    const dilation = step.dilation ?? [1, 1];
    const down = windows(height, rows, step.strides[0], dilation[0], step.padding);
    const across = windows(width, columns, step.strides[1], dilation[1], step.padding);
    for (let y = 0; y < down.count; y++)
      for (let x = 0; x < across.count; x++)
        for (let i = 0; i < rows; i++) {
          const row = down.start + y * step.strides[0] + i * dilation[0];
          if (row < 0 || row >= height) continue;
          for (let j = 0; j < columns; j++) {
            const column = across.start + x * step.strides[1] + j * dilation[1];
            if (column >= 0 && column < width) visit(y * across.count + x, row * width + column, i * columns + j);
          }
        }
    return [down.count, across.count];
  }

  /** How high and wide the output of a sliding window is. */
  const sized = (shape, kernel, { strides, dilation = [1, 1], padding }) => [0, 1].map((axis) =>
    windows(shape[axis], kernel[axis], strides[axis], dilation[axis], padding).count);

  /** So many numbers: the biases again and again, or zeros. */
  function filled(length, bias) {
    const out = new Float32Array(length);
    if (bias) for (let o = 0; o < length; o++) out[o] = bias.values[o % bias.values.length];
    return out;
  }

  const volume = (shape) => shape.reduce((product, size) => product * size, 1);

  const KINDS = {
    same: (step, input) => input,
    activation: (step, input) => input, // what every step ends with
    flatten: (step, { values }) => ({ shape: [values.length], values }),

    affine({ scale, shift }, { shape, values }) {
      const n = scale.values.length, m = shift.values.length;
      return { shape, values: values.map((x, i) => x * scale.values[i % n] + shift.values[i % m]) };
    },

    dense({ kernel, bias }, { shape, values }) {
      const [depth, width] = kernel.shape;
      const out = filled((values.length / depth) * width, bias);
      for (let i = 0; i < values.length; i++) {
        const x = values[i], from = (i % depth) * width, to = Math.floor(i / depth) * width;
        if (x !== 0) for (let o = 0; o < width; o++) out[to + o] += x * kernel.values[from + o];
      }
      return { shape: [...shape.slice(0, -1), width], values: out };
    },

    conv(step, { shape, values }) {
      const { kernel, bias } = step;
      const [rows, columns, channels, filters] = kernel.shape;
      const size = sized(shape, [rows, columns], step);
      const out = filled(size[0] * size[1] * filters, bias);
      slide(shape, [rows, columns], step, (window, pixel, weight) => {
        for (let c = 0; c < channels; c++) {
          const x = values[pixel * channels + c];
          if (x === 0) continue; // after a ReLU many are
          const from = (weight * channels + c) * filters, to = window * filters;
          for (let f = 0; f < filters; f++) out[to + f] += x * kernel.values[from + f];
        }
      });
      return { shape: [...size, filters], values: out };
    },

    max(step, { shape, values }) {
      const size = sized(shape, step.size, step), channels = shape[2];
      const out = new Float32Array(size[0] * size[1] * channels).fill(-Infinity);
      slide(shape, step.size, step, (window, pixel) => {
        for (let c = 0; c < channels; c++)
          out[window * channels + c] = Math.max(out[window * channels + c], values[pixel * channels + c]);
      });
      return { shape: [...size, channels], values: out };
    },

    average(step, { shape, values }) {
      const size = sized(shape, step.size, step), channels = shape[2];
      const out = new Float32Array(size[0] * size[1] * channels), seen = new Float32Array(size[0] * size[1]);
      slide(shape, step.size, step, (window, pixel) => {
        seen[window]++; // what lies beyond the edge does not count
        for (let c = 0; c < channels; c++) out[window * channels + c] += values[pixel * channels + c];
      });
      return { shape: [...size, channels], values: out.map((sum, i) => sum / seen[Math.floor(i / channels)]) };
    },

    "global average"(step, { shape, values }) {
      const channels = shape[2], out = new Float32Array(channels);
      values.forEach((x, i) => { out[i % channels] += x; });
      return { shape: [channels], values: out.map((sum) => sum / (shape[0] * shape[1])) };
    },

    add: (step, ...inputs) => ({
      shape: inputs[0].shape,
      values: inputs[0].values.map((_, i) => inputs.reduce((sum, each) => sum + each.values[i], 0)),
    }),

    concatenate(step, ...inputs) {
      const widths = inputs.map(({ shape }) => shape.at(-1)), width = widths.reduce((sum, each) => sum + each, 0);
      const shape = [...inputs[0].shape.slice(0, -1), width], out = new Float32Array(volume(shape));
      let begin = 0;
      inputs.forEach(({ values }, k) => {
        values.forEach((x, i) => { out[Math.floor(i / widths[k]) * width + begin + (i % widths[k])] = x; });
        begin += widths[k];
      });
      return { shape, values: out };
    },
  };

  /** A network: `run(values)` gives what each step gave, `predict(values)` the probabilities of the classes. */
  window.course.network ??= ({ input, parameters, steps }) => {
    const unpacked = steps.map((step) => {
      const made = Object.fromEntries(
        Object.entries(step).map(([name, value]) => [name, value?.base64 ? window.course.unpack(value) : value]));
      // Whole multiples of a unit, one for each filter.
      if (made.unit) made.kernel.values = Float32Array.from(made.kernel.values,
        (weight, i) => weight * made.unit.values[i % made.unit.values.length]);
      return made;
    });

    function run(values) {
      const made = [];
      for (const step of unpacked) {
        if (step.kind === "input") {
          if (values.length !== volume(input)) throw new Error(`an image has ${volume(input)} numbers`);
          made.push({ shape: input, values: Float32Array.from(values) });
          continue;
        }
        const output = KINDS[step.kind](step, ...step.from.map((place) => made[place]));
        const activate = ACTIVATIONS[step.activation ?? "linear"];
        made.push({ shape: output.shape, values: activate(output.values, output.shape.at(-1)) });
      }
      return made;
    }

    function predict(values) {
      const last = run(values).at(-1).values;
      return steps.at(-1).activation === "softmax" ? last : softmax(last, last.length);
    }

    return { input, parameters, predict, run, steps: unpacked, windows };
  };
}
