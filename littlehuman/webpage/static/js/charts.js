"use strict";
// Charts by Observable Plot. Colours are variables of the style sheet, so that they follow light and dark.
LH.COLOURS = ["var(--s1)", "var(--s2)", "var(--s3)", "var(--s4)", "var(--s5)", "var(--s6)", "var(--s7)"];
LH.colour = (index) => LH.COLOURS[index % LH.COLOURS.length];
LH.VERDICTS = {
  worse: ["worse", "var(--bad)"], better: ["better", "var(--good)"], equal: ["equal", "var(--s1)"],
  unknown: ["not known", "var(--muted)"], withheld: ["withheld", "var(--warn)"],
};

// A chart that is drawn anew where its width changes.
LH.chart = (label, draw, height) => {
  const figure = LH.h("figure", { class: "chart", role: "group", "aria-label": label });
  let drawn = 0;
  const render = (width) => {
    if (!width || Math.abs(width - drawn) < 2) return;
    drawn = width;
    const options = draw(width);
    figure.replaceChildren(Plot.plot({ className: "lh-chart", width, height: height || 320, marginLeft: 48, marginRight: 18, ariaLabel: label, ...options }));
  };
  new ResizeObserver((entries) => render(Math.floor(entries[0].contentRect.width))).observe(figure);
  return figure;
};

LH.legend = (entries) => LH.h("ul", { class: "legend" }, entries.map((entry) => {
  const sample = LH.h("span", { class: `sample ${entry.kind || ""}`, "aria-hidden": "true" });
  sample.style.setProperty("--sample", entry.colour);
  return LH.h("li", {}, sample, entry.name);
}));

// Ticks that have room, in pixels; first and last ones go before those between them.
LH.spaced = (ticks, place, room) => {
  const kept = [];
  const first = ticks[0], last = ticks[ticks.length - 1];
  for (const tick of [first, last, ...ticks.slice(1, -1).reverse()]) {
    if (kept.every((other) => Math.abs(place(other) - place(tick)) >= room)) kept.push(tick);
  }
  return kept;
};

LH.tip = (data, more) => Plot.tip(data, Plot.pointer({
  x: "x", y: "y", title: "title", fill: "var(--surface)", stroke: "var(--line-strong)", fontSize: 12.5, lineHeight: 1.35, textPadding: 10, maxRadius: 30, ...more,
}));

// An axis over numbers of points, on a log scale.
LH.sizeAxis = (label, sizes, width) => {
  const [least, most] = d3.extent(sizes), place = d3.scaleLog([least, most], [48, width - 18]);
  const ticks = LH.spaced([...new Set(sizes)].length > 8 ? [least, ...d3.scaleLog([least, most], [0, 1]).ticks(5).filter((n) => n > least && n < most), most] : [...new Set(sizes)].sort(d3.ascending), place, 58);
  return { type: "log", label, labelAnchor: "center", labelArrow: "none", labelOffset: 38, ticks, tickFormat: (n) => LH.count(n) };
};

// Few points with human labels are blue, many are orange; none are grey.
LH.humanColour = (levels) => (human) => {
  const some = levels.filter((level) => level > 0), nth = some.indexOf(human);
  return human === 0 ? "var(--muted)" : `color-mix(in oklch shorter hue, var(--human) ${Math.round((100 * nth) / Math.max(1, some.length - 1)) || (some.length === 1 ? 100 : 0)}%, var(--synthetic))`;
};
LH.levelsOf = (one) => [...new Set([0, ...one.runs.filter((run) => run[0] > 0).map((run) => run[1])])].sort(d3.ascending);

// Score over synthetic and human points: runs as dots, fitted curves with their intervals.
LH.tradeoffChart = (one) => LH.chart(`Score over the number of synthetic points, ${one.name}`, (width) => {
  const levels = LH.levelsOf(one), colour = LH.humanColour(levels);
  const runs = one.runs.filter((run) => run[0] > 0).map(([x, human, score, seed]) => ({
    x, y: 100 * score, human, title: `${LH.count(x)} synthetic + ${LH.count(human)} human points\nscore ${LH.percent(score)} %${seed === null ? "" : `\nseed ${seed}`}`,
  }));
  const lines = one.fitted.filter((line) => levels.includes(line.human_points)).map((line) => ({ human: line.human_points, points: line.n.map((n, i) => ({ x: n, y: 100 * line.value[i], low: 100 * line.low[i], high: 100 * line.high[i] })) }));
  return {
    x: LH.sizeAxis("synthetic points (log scale)", runs.map((run) => run.x), width), marginBottom: 48,
    y: { label: `↑ ${LH.named(one.metric)} (%)`, grid: true, nice: true },
    marks: [
      ...(lines.length > 3 ? [] : lines).map((line) => Plot.areaY(line.points, { x: "x", y1: "low", y2: "high", fill: colour(line.human), fillOpacity: 0.12 })),
      ...lines.map((line) => Plot.lineY(line.points, { x: "x", y: "y", stroke: colour(line.human), strokeWidth: 2 })),
      Plot.dot(runs, { x: "x", y: "y", r: 3, fill: (run) => colour(run.human), fillOpacity: 0.6, stroke: "var(--surface)", strokeWidth: 0.5 }),
      LH.tip(runs),
    ],
  };
});

LH.tradeoffLegend = (one) => {
  const levels = LH.levelsOf(one), colour = LH.humanColour(levels);
  return LH.legend(levels.map((human) => ({ name: human === 0 ? "synthetic points alone" : `with ${LH.count(human)} human points`, colour: colour(human) })));
};

// Worth of a human point over N, with its interval, the price ratio that was chosen, and the place on the slider.
LH.worthChart = (worth, nth, paid) => LH.chart("What one human point replaces, over the number of synthetic points", (width) => {
  const finite = (value) => LH.isNumber(value);
  const known = [...worth.value, ...worth.low, ...worth.high, paid].filter(finite);
  const logarithmic = known.every((value) => value > 0);  // else some end is 0 or below
  const top = Math.max(...known) * (logarithmic ? 2 : 1.15), bottom = logarithmic ? Math.min(...known) / 1.6 : Math.min(...known);
  const clip = (value) => (finite(value) ? value : value === "inf" ? top : value === "-inf" ? bottom : NaN);
  const points = worth.n.map((n, i) => ({ x: n, y: finite(worth.value[i]) ? worth.value[i] : NaN, low: clip(worth.low[i]), high: clip(worth.high[i]) }));
  const chosen = points[nth];
  return {
    x: LH.sizeAxis("N, synthetic points (log scale)", worth.n, width), marginBottom: 48, marginTop: 26, marginLeft: 58,
    y: { type: logarithmic ? "log" : "linear", label: logarithmic ? "↑ worth (log scale)" : "↑ worth", grid: true, domain: [bottom, top], ticks: logarithmic ? d3.range(Math.ceil(Math.log10(bottom)), Math.log10(top)).map((power) => 10 ** power) : 5, tickFormat: (n) => LH.size(n) },
    marks: [
      Plot.areaY(points, { x: "x", y1: "low", y2: "high", fill: "var(--human)", fillOpacity: 0.16, clip: true }),
      Plot.lineY(points, { x: "x", y: "y", stroke: "var(--human)", strokeWidth: 2, clip: true }),
      Plot.ruleY([paid], { stroke: "var(--synthetic)", strokeWidth: 1.5, strokeDasharray: "5,3", clip: true }),
      Plot.text([[chosen.x, paid]], { x: worth.n[0], y: paid, text: ["what it costs, in synthetic points"], dy: -7, textAnchor: "start", fill: "var(--synthetic)" }),
      Plot.ruleX([chosen.x], { stroke: "var(--muted)", strokeDasharray: "3,3" }),
      ...(LH.isNumber(chosen.y) ? [Plot.dot([chosen], { x: "x", y: "y", r: 5, fill: "var(--human)", stroke: "var(--surface)", strokeWidth: 1.5 })] : []),
    ],
  };
}, 280);

// The best score that each sum buys.
LH.budgetChart = (plan) => LH.chart("The best score for each sum", (width) => {
  const points = plan.curve.map((one) => ({
    x: one.cost, y: 100 * one.score.value, low: 100 * one.score.low, high: 100 * one.score.high,
    title: `${LH.money(one.cost)}\n${LH.count(one.n_human)} human + ${LH.count(one.n_synthetic)} synthetic points\nscore ${LH.percent(one.score.value)} % [${LH.percent(one.score.low)}, ${LH.percent(one.score.high)}]`,
  }));
  const best = plan.plan;
  return {
    x: { label: "sum", labelAnchor: "center", labelArrow: "none", labelOffset: 38, tickFormat: (n) => LH.count(n), ticks: Math.min(8, Math.floor(width / 70)), nice: true }, marginBottom: 48,
    y: { label: "↑ expected score (%)", grid: true, nice: true },
    marks: [
      Plot.areaY(points, { x: "x", y1: "low", y2: "high", fill: "var(--s3)", fillOpacity: 0.16 }),
      Plot.lineY(points, { x: "x", y: "y", stroke: "var(--s3)", strokeWidth: 2 }),
      Plot.dot(points, { x: "x", y: "y", r: 2.5, fill: "var(--s3)" }),
      ...(best ? [Plot.dot([best], { x: (one) => one.cost, y: (one) => 100 * one.score.value, r: 6, fill: "none", stroke: "var(--text)", strokeWidth: 1.5 })] : []),
      LH.tip(points),
    ],
  };
}, 260);
