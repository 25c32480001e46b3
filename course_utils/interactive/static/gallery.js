/* For a probe, the beginning of the gallery as every method ranks it, and its place on the CMC curves. */
"use strict";
course.widget("gallery", async (root, data) => {
  const { element, svg, choice, percent, unpack } = course;
  const probes = await course.sprite(data.probes), gallery = await course.sprite(data.gallery);
  const methods = data.methods.map((method, i) => {
    const { shape: [, k], values: items } = unpack(method.items), distances = unpack(method.distances).values;
    return { name: method.name, k, ranks: unpack(method.ranks).values, cmc: unpack(method.cmc).values, place: i,
      itemsOf: (probe) => [...items.subarray(probe * k, (probe + 1) * k)],
      distancesOf: (probe) => distances.subarray(probe * k, (probe + 1) * k) };
  });
  const right = data.right.map((items) => new Set(items));
  const everyone = Array.from({ length: probes.count }, (_, i) => i);
  const WORST = 40;
  const at = { probe: 0, filter: 0, method: methods.length - 1, list: everyone };

  const rankOf = (method, probe) => method.ranks[probe] || Infinity;
  const write = (rank) => (rank === Infinity ? "nowhere" : `at rank ${Number(rank.toFixed(1))}`);

  /* ---- The probes --------------------------------------------------------------------------------------------- */

  const FILTERS = [
    ["all", () => everyone],
    ["where the methods disagree on the first", () => everyone.filter((probe) =>
      new Set(methods.map((method) => rankOf(method, probe) === 1)).size > 1)],
    [`the ${WORST} worst of the chosen method`, () => [...everyone]
      .sort((a, b) => rankOf(methods[at.method], b) - rankOf(methods[at.method], a)).slice(0, WORST)],
  ];
  const strip = element("div", { class: "gallery-probes" }), count = element("span", { class: "course-muted",
    "aria-live": "polite" });

  function list() {
    at.list = FILTERS[at.filter][1]();
    count.textContent = `${at.list.length} of ${probes.count} probes`;
    const names = at.list.map((probe) => `probe ${probe + 1}, ${methods[at.method].name}: `
      + write(rankOf(methods[at.method], probe)));
    const { row, press } = course.pictureButtons(at.list.map(probes.canvas), names, (i) => open(at.list[i]));
    strip.replaceChildren(at.list.length ? course.arrowKeys(row) : element("p", {}, "There is none."));
    if (!at.list.length) return;
    if (!at.list.includes(at.probe)) at.probe = at.list[0];
    press(at.list.indexOf(at.probe));
    open(at.probe);
  }

  /* ---- What was found ----------------------------------------------------------------------------------------- */

  const asked = element("div", { class: "gallery-asked" }), found = element("div", {});

  function open(probe) {
    at.probe = probe;
    const n = right[probe].size;
    asked.replaceChildren(probes.canvas(probe), element("p", { "aria-live": "polite" }, element("strong", {},
      `Probe ${probe + 1}. `), `${n || "None"} of the ${gallery.count} gallery pictures `
      + `${n === 1 ? "is" : "are"} of the same identity.`));
    found.replaceChildren(...methods.map((method) => {
      const rank = rankOf(method, probe), distances = method.distancesOf(probe);
      const items = method.itemsOf(probe).map((item, i) => item < 0 ? "" : card(item, i, distances[i],
        right[probe].has(item)));
      return element("section", {}, element("h4", {}, `${method.name}: the first right one `,
        element("strong", {}, write(rank))), element("ol", { class: "gallery-found" }, ...items));
    }));
    drawCurve();
  }

  function card(item, i, distance, isRight) {
    const verdict = isRight ? "right" : "wrong";
    return element("li", { class: `gallery-${verdict}` }, gallery.canvas(item),
      element("span", {}, `${i + 1} `, element("span", { role: "img", "aria-label": verdict }, isRight ? "✓" : "✗")),
      element("small", {}, element("span", { class: "gallery-hidden" }, "distance "), distance.toPrecision(2)));
  }

  /* ---- The curves --------------------------------------------------------------------------------------------- */

  const WIDTH = 360, HEIGHT = 230, LEFT = 54, RIGHT = 350, TOP = 10, BOTTOM = 190;
  const DASHES = [null, "7 4", "2 3", "9 3 2 3", "4 2"];
  const curve = element("div", { class: "gallery-curve" }), told = element("ul", { class: "gallery-key" });
  const most = Math.max(2, ...methods.map((method) => method.cmc.length));
  const x = (rank) => LEFT + (Math.log(rank) / Math.log(most)) * (RIGHT - LEFT);
  const y = (share) => BOTTOM - share * (BOTTOM - TOP);

  /** A line of the look that a method has, thick if it is the chosen one. */
  const look = (method) => ({ class: `gallery-line gallery-line-${method.place % 5}`, "stroke-dasharray":
    DASHES[method.place % DASHES.length], "stroke-width": method.place === at.method ? 3.5 : 1.75 });

  function drawCurve() {
    const text = (content, attributes) => svg("text", attributes, content);
    const ticks = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter((rank) => rank <= most);
    const lines = methods.map((method) => svg("polyline", { ...look(method),
      points: [...method.cmc].map((share, i) => `${x(i + 1).toFixed(1)},${y(share).toFixed(1)}`).join(" ") }));
    const marks = methods.flatMap((method) => {
      const rank = Math.ceil(rankOf(method, at.probe));
      return rank > method.cmc.length ? [] : [svg("circle", { cx: x(rank), cy: y(method.cmc[rank - 1]),
        r: method.place === at.method ? 7 : 5, class: `gallery-mark gallery-line-${method.place % 5}` })];
    });
    const label = "Cumulative match characteristic: share of probes found by rank. "
      + methods.map((method) => `${method.name} ${percent(method.cmc[0])} at rank 1`).join(", ");
    curve.replaceChildren(svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
        svg("line", { x1: LEFT, x2: RIGHT, y1: y(share), y2: y(share), class: "gallery-grid" }),
        text(String(share), { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" })]),
      ...ticks.map((rank) => text(String(rank), { x: x(rank), y: BOTTOM + 16, "text-anchor": "middle" })),
      text("rank (gallery items looked at)", { x: (LEFT + RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }),
      text("probes found (share)", { x: 11, y: 100, "text-anchor": "middle", transform: "rotate(-90 11 100)" }),
      ...lines, ...marks));
    told.replaceChildren(...methods.map((method) => {
      const rank = Math.ceil(rankOf(method, at.probe));
      const share = rank > method.cmc.length ? "right of the plot" : `where ${percent(method.cmc[rank - 1])} are found`;
      const where = rank === Infinity ? "this probe has no right one: it never counts"
        : `this probe counts from rank ${rank} on, ${share}`;
      return element("li", {}, svg("svg", { viewBox: "0 0 36 10", width: 36, height: 10, "aria-hidden": "true" },
        svg("line", { ...look(method), x1: 0, x2: 36, y1: 5, y2: 5 })), ` ${method.name}: ${where}`);
    }));
  }

  root.append(
    element("div", { class: "course-row" },
      choice("Probes", FILTERS.map(([name]) => name), (i) => { at.filter = i; list(); }),
      choice("Method", methods.map((method) => method.name), (i) => { at.method = i; list(); }, at.method), count),
    strip, asked, found, element("h4", {}, "Where this probe stands on the curve"),
    element("div", { class: "course-columns" }, curve, told));
  list();
});
