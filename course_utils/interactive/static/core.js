/* What all widgets share: they register here, are started when they come into view, and get their data unpacked.

   The same file serves a notebook, where data and programs stand in the page, once for each widget, and the book's
   site, where they are scripts of their own: pages opened from disk may load scripts, and nothing else. A program may
   thus stand in a page several times: all of it is within a function or a block. */
"use strict";

if (!window.course) {
  window.course = (() => {
    const starters = {}; // NAME: function (root, data)
    const received = {}; // ID: data
    const loading = {}; // address: promise
    const here = document.currentScript?.src ?? "";
    // Canvases that are read again and again are quicker where the processor has them.
    const READ = { willReadFrequently: true };
    // What a widget needs besides its own program.
    const NEEDS = { ask: ["network"], layers: ["network"] };

    /* ---- Starting ------------------------------------------------------------------------------------------- */

    /** Register the program of a kind of widget: `begin(root, data)` fills an empty element. */
    function widget(name, begin) {
      starters[name] ??= begin;
    }

    /** Hand in the data of one widget of a site. */
    function data(id, content) {
      received[id] = content;
    }

    /** Look for widgets that are not watched yet, and start each when a reader comes near. */
    function start() {
      for (const figure of document.querySelectorAll("figure[data-course-widget]:not([data-course-watched])")) {
        figure.dataset.courseWatched = "";
        const observer = new IntersectionObserver((entries) => {
          if (!entries.some((entry) => entry.isIntersecting)) return;
          observer.disconnect();
          open(figure);
        }, { rootMargin: "300px" });
        observer.observe(figure);
      }
    }

    async function open(figure) {
      const name = figure.dataset.courseWidget;
      try {
        const content = await contentOf(figure);
        for (const program of [...(NEEDS[name] ?? []), name]) {
          if (program === "network" ? !window.course.network : !starters[program])
            await load(new URL(`${program}.js`, here).href);
        }
        const root = element("div", { class: "course-app" });
        await starters[name](root, content);
        figure.insertBefore(root, figure.querySelector("figcaption"));
        figure.dataset.courseStarted = "";
      } catch (error) {
        // The static picture stays.
        figure.append(element("p", { class: "course-problem", role: "alert" },
          `This part of the page could not be started: ${error.message}`));
      }
    }

    async function contentOf(figure) {
      const inside = figure.querySelector('script[type="application/json"]');
      if (inside) return JSON.parse(inside.textContent);
      const { courseId, courseSrc } = figure.dataset;
      if (!(courseId in received)) await load(courseSrc);
      return received[courseId];
    }

    function load(address) {
      loading[address] ??= new Promise((resolve, reject) => {
        const script = element("script", { src: address });
        script.onload = resolve;
        script.onerror = () => reject(new Error(`${address} could not be loaded`));
        document.head.append(script);
      });
      return loading[address];
    }

    /* ---- Numbers and pictures ------------------------------------------------------------------------------- */

    /** Unpack what `pack` packed: `{shape, values}`, values a typed array; float16 becomes float32. */
    function unpack({ dtype, shape, base64 }) {
      const text = atob(base64);
      const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      const kinds = { float32: Float32Array, int32: Int32Array, int8: Int8Array, uint8: Uint8Array,
        uint16: Uint16Array };
      const values = dtype === "float16" ? fromHalf(new Uint16Array(bytes.buffer)) : new kinds[dtype](bytes.buffer);
      return { shape, values };
    }

    function fromHalf(halves) {
      // Sign, five bits of exponent, ten of fraction; an exponent of 0 has no leading one.
      return Float32Array.from(halves, (half) => {
        const exponent = (half >> 10) & 31, fraction = half & 1023;
        const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
        return half & 0x8000 ? -size : size;
      });
    }

    /** Read a picture from an address such as a data URI. */
    async function image(address) {
      const picture = new Image();
      picture.src = address;
      await picture.decode();
      return picture;
    }

    /** Read what `sprite` tiled: `canvas(i)` is one picture, `values(i)` its numbers from 0 to 255, channels last. */
    async function sprite(packed) {
      const { count, columns, width, height, channels } = packed;
      const sheet = await image(packed.image);
      const canvas = (i) => {
        const made = element("canvas", { width, height, "aria-hidden": "true" });
        const place = [(i % columns) * width, Math.floor(i / columns) * height];
        made.getContext("2d", READ).drawImage(sheet, ...place, width, height, 0, 0, width, height);
        return made;
      };
      const values = (i) => pixels(canvas(i), channels);
      return { count, width, height, channels, canvas, values };
    }

    /** The numbers of a canvas from 0 to 255, channels last: 1 (of grey pictures, any) or 3. */
    function pixels(canvas, channels) {
      const rgba = canvas.getContext("2d", READ).getImageData(0, 0, canvas.width, canvas.height).data;
      const found = new Float32Array(canvas.width * canvas.height * channels);
      for (let i = 0; i < found.length; i++) found[i] = rgba[Math.floor(i / channels) * 4 + (i % channels)];
      return found;
    }

    /** Draw numbers, rows from the top and channels last, on a canvas; `low` becomes black and `high` white. */
    function paint(canvas, values, [height, width, channels], low = 0, high = 255) {
      canvas.width = width;
      canvas.height = height;
      const made = new ImageData(width, height);
      for (let i = 0; i < width * height; i++) {
        for (let c = 0; c < 3; c++)
          made.data[4 * i + c] = (255 * (values[i * channels + (channels === 3 ? c : 0)] - low)) / (high - low || 1);
        made.data[4 * i + 3] = 255;
      }
      canvas.getContext("2d", READ).putImageData(made, 0, 0);
      return canvas;
    }

    /* ---- Parts of a page ------------------------------------------------------------------------------------ */

    /** Make an element. A function among the attributes listens (`onclick`); true sets one, false and null none. */
    function element(tag, attributes = {}, ...children) {
      const made = document.createElement(tag);
      for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
        else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
      }
      made.append(...children);
      return made;
    }

    /** Make an element of a drawing, as `element` does. */
    function svg(tag, attributes = {}, ...children) {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) if (value != null) made.setAttribute(name, value);
      made.append(...children);
      return made;
    }

    /** Make many buttons one stop of the Tab key, in which the arrow keys go to the nearest one in their direction. */
    function arrowKeys(box) {
      const all = () => [...box.querySelectorAll("button")];
      const only = (chosen) => all().forEach((each) => { each.tabIndex = each === chosen ? 0 : -1; });
      const away = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const middle = (each) => {
        const { left, top, width, height } = each.getBoundingClientRect();
        return [left + width / 2, top + height / 2];
      };
      box.addEventListener("focusin", ({ target }) => target.matches("button") && only(target));
      box.addEventListener("keydown", (event) => {
        const [across, down] = away[event.key] ?? [];
        if (across === undefined) return;
        event.preventDefault();
        const [x, y] = middle(event.target);
        let nearest = null, least = Infinity;
        for (const each of all()) {
          const [dx, dy] = middle(each).map((place, i) => place - [x, y][i]);
          const ahead = dx * across + dy * down, aside = Math.abs(dx * down + dy * across);
          // What lies in another direction is further away than all that lies in this one.
          if (ahead > 1 && ahead + 20 * aside < least) [nearest, least] = [each, ahead + 20 * aside];
        }
        nearest?.focus();
      });
      only(all()[0]);
      return box;
    }

    let ids = 0;
    /** An id that no other element has. */
    const uniqueId = (prefix = "course") => `${prefix}-${++ids}`;

    /** A labelled choice; `options` are texts, and `onpick(place, text)` is called with the chosen one. */
    function choice(label, options, onpick, chosen = 0) {
      const id = uniqueId("choice");
      const list = element("select", { id, onchange: () => onpick(list.selectedIndex, list.value) },
        ...options.map((text, i) => element("option", { selected: i === chosen }, text)));
      return element("span", { class: "course-field" }, element("label", { for: id }, label), list);
    }

    /** A labelled number or slider; `attributes` as HTML has them, `oninput(value)` is called with a number. */
    function number(label, attributes, oninput) {
      const id = uniqueId("number");
      const field = element("input", { id, type: "number", ...attributes,
        oninput: () => field.value !== "" && field.validity.valid && oninput(Number(field.value)) });
      return element("span", { class: "course-field" }, element("label", { for: id }, label), field);
    }

    /** A button with a text or an element in it. */
    function button(content, onclick, attributes = {}) {
      return element("button", { type: "button", onclick, ...attributes }, content);
    }

    /** Pictures as buttons, of which one is pressed; `onpick(i)` is called with its place. */
    function pictureButtons(canvases, names, onpick) {
      const buttons = canvases.map((canvas, i) => button(canvas, () => { press(i); onpick(i); },
        { "aria-label": names[i], "aria-pressed": "false", class: "course-picture", title: names[i] }));
      const press = (chosen) => buttons.forEach((each, i) => each.setAttribute("aria-pressed", String(i === chosen)));
      return { row: element("div", { class: "course-pictures" }, ...buttons), press };
    }

    const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}%`;

    /** A row of a table of probabilities: name, bar, number. */
    function probabilityBar(name, share, { strong = false } = {}) {
      return element("tr", { class: strong ? "course-strong" : null },
        element("th", { scope: "row" }, name),
        element("td", { class: "course-bar" }, element("span", { style: `width: ${(100 * share).toFixed(2)}%` })),
        element("td", { class: "course-number" }, percent(share)));
    }

    /** A table of probabilities, the largest in bold. */
    function probabilityBars(names, shares, label) {
      const best = shares.indexOf(Math.max(...shares));
      return element("table", { class: "course-bars", "aria-label": label },
        element("tbody", {}, ...names.map((name, i) => probabilityBar(name, shares[i], { strong: i === best }))));
    }

    return { arrowKeys, button, choice, data, element, image, number, paint, percent, pictureButtons, pixels,
      probabilityBar, probabilityBars, sprite, start, svg, uniqueId, unpack, widget };
  })();
  window.course.start();
}
