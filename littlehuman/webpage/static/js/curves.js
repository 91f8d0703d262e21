"use strict";
// Replacement curves. The axis is in human points that are left, on a symmetric log scale: the last tenth gets its room.
LH.facets = (doc) => {
  const found = new Map();
  for (const curve of [...doc.curves, ...doc.controls]) {
    const key = JSON.stringify([curve.place, curve.n_train, curve.metric]);
    if (!found.has(key)) found.set(key, { place: curve.place, n_train: curve.n_train, metric: curve.metric, curves: [] });
    found.get(key).curves.push(curve);
  }
  return [...found.values()].filter((facet) => facet.curves.some((curve) => !curve.control));
};

LH.humanAxis = (curves, width, margins) => {
  const places = new Map();
  for (const curve of curves) for (const share of curve.shares) places.set(share.synth_frac, share.n_human);
  const shares = [...places.keys()].sort((a, b) => a - b);
  const counts = [...places.values()].filter((count) => count > 0);
  const most = Math.max(...counts, 1), least = Math.min(...places.values()), constant = Math.max(1, Math.min(...counts, most / 4));
  const place = d3.scaleSymlog([most, least], [margins[0], width - margins[1]]).constant(constant);
  const kept = LH.spaced(shares, (share) => place(places.get(share)), width < 520 ? 36 : 46);
  const byCount = new Map(kept.map((share) => [places.get(share), share]));
  return {
    kept, placeOf: (share) => place(places.get(share)),
    x: { type: "symlog", constant, domain: [most, least], label: null, axis: null },
    mark: Plot.axisX([...byCount.keys()], { anchor: "bottom", label: null, lineHeight: 1.3, tickSize: 4, tickPadding: 4, tickFormat: (count) => `${LH.share(byCount.get(count) ?? 0)}\n${LH.count(count)}` }),
  };
};

LH.axisNote = () => LH.h("p", { class: "axis-note" }, "Synthetic share of the training set; below it the human points that are left, on a log scale.");

LH.curveColours = (facet) => {
  const own = facet.curves.filter((curve) => !curve.control);
  return new Map(facet.curves.map((curve) => [curve.id, curve.control ? "var(--muted)" : LH.colour(own.indexOf(curve))]));
};

// Of scores that need no training the highest, where it would not press the curves together; the notes name all.
LH.shownFloors = (facet) => {
  const scores = facet.curves.flatMap((curve) => [...curve.runs.map((run) => run[3]), ...curve.shares.map((share) => share.score?.value)]).filter(LH.isNumber);
  const [least, most] = d3.extent(scores), best = d3.greatest(facet.curves.flatMap((curve) => curve.floors), (floor) => floor.score);
  return best && best.score > least - 1.2 * Math.max(most - least, 0.02) ? [best] : [];
};

LH.scoreChart = (facet, height) => LH.chart(`${LH.named(facet.metric)} over the synthetic share, ${facet.place}`, (width) => {
  const axis = LH.humanAxis(facet.curves, width, [62, 32]), colours = LH.curveColours(facet);
  const marks = [], tips = [];
  for (const floor of LH.shownFloors(facet)) {
    marks.push(Plot.ruleY([100 * floor.score], { stroke: "var(--muted)", strokeDasharray: "2,4" }));
    marks.push(Plot.text([floor], { frameAnchor: "left", x: null, y: 100 * floor.score, text: () => `floor: ${floor.name}`, dx: 4, dy: -7, textAnchor: "start", fill: "var(--muted)", stroke: "var(--surface)", strokeWidth: 4 }));
  }
  facet.curves.forEach((curve, index) => {
    const colour = colours.get(curve.id), dx = (index - (facet.curves.length - 1) / 2) * (facet.curves.length > 1 ? 5 : 0);
    const means = curve.shares.filter((share) => share.score).map((share) => ({
      x: share.n_human, y: 100 * share.score.value, low: 100 * (share.score.low ?? share.score.value), high: 100 * (share.score.high ?? share.score.value),
      title: `${curve.control ? "human points alone" : curve.label}\n${LH.share(share.synth_frac)} synthetic, ${LH.count(share.n_human)} human points\nmean ${LH.percent(share.score.value)} % [${LH.percent(share.score.low)}, ${LH.percent(share.score.high)}]\n${LH.plural(share.seeds, "seed")}, ${LH.plural(share.items, "test item")}`,
    }));
    const runs = curve.runs.filter((run) => LH.isNumber(run[3])).map(([share, seed, human, score, cell]) => ({
      x: human, y: 100 * score, title: `seed ${seed}: ${LH.percent(score)} %\n${LH.share(share)} synthetic, ${curve.control ? "human points alone" : curve.label}\n${cell}`,
    }));
    const dashes = curve.control ? "4,3" : null;
    marks.push(Plot.dot(runs, { x: "x", y: "y", dx: dx + (facet.curves.length > 2 ? 0 : index ? 7 : -7), r: 2.4, fill: colour, fillOpacity: 0.5 }));
    marks.push(Plot.ruleX(means, { x: "x", y1: "low", y2: "high", dx, stroke: colour, strokeWidth: 2, strokeOpacity: 0.75 }));
    marks.push(Plot.lineY(means, { x: "x", y: "y", dx, stroke: colour, strokeWidth: 2, strokeDasharray: dashes, curve: "linear" }));
    marks.push(Plot.dot(means, { x: "x", y: "y", dx, r: 4.2, fill: curve.control ? "var(--surface)" : colour, stroke: colour, strokeWidth: 1.6 }));
    tips.push(...means, ...runs);
  });
  marks.push(LH.tip(tips));
  return { x: axis.x, y: { label: `↑ ${LH.named(facet.metric)} (%)`, grid: true, nice: true }, insetLeft: 14, insetRight: 14, marginBottom: 44, marginTop: 26, marks: [axis.mark, ...marks] };
}, height || 340);

LH.changeChart = (facet) => LH.chart(`Change against the smallest share in percentage points, ${facet.place}`, (width) => {
  const own = facet.curves.filter((curve) => !curve.control), axis = LH.humanAxis(facet.curves, width, [62, 32]);
  const delta = 100 * (own.find((curve) => curve.delta)?.delta ?? 0);
  const marks = [
    Plot.rect([0], { y1: -delta, y2: delta, fill: "var(--muted)", fillOpacity: 0.12 }),
    Plot.ruleY([0], { stroke: "var(--text)", strokeOpacity: 0.6 }),
  ];
  const tips = [], words = [];
  own.forEach((curve, index) => {
    const dx = (index - (own.length - 1) / 2) * (own.length > 1 ? 8 : 0);
    const changes = curve.shares.filter((share) => share.change).map((share) => {
      const small = share.verdict === "unknown" && curve.ruled_out.includes(share.synth_frac);  // better or equal, not worse
      const [word, colour] = small ? [`loss < ${+(100 * curve.delta).toPrecision(3)}`, "var(--s1)"] : LH.VERDICTS[share.verdict] || ["not compared", "var(--muted)"];
      return {
        x: share.n_human, y: 100 * share.change.value, low: 100 * (share.change.low ?? share.change.value), high: 100 * (share.change.high ?? share.change.value), word, colour, share: share.synth_frac,
        title: `${curve.label}\n${LH.share(share.synth_frac)} synthetic: ${word}\n${LH.points(share.change.value)} points [${LH.points(share.change.low)}, ${LH.points(share.change.high)}]`,
      };
    });
    marks.push(Plot.ruleX(changes, { x: "x", y1: "low", y2: "high", dx, stroke: (one) => (own.length > 1 ? LH.colour(index) : one.colour), strokeWidth: own.length > 2 ? 2 : 3 }));
    marks.push(Plot.dot(changes, { x: "x", y: "y", dx, r: own.length > 2 ? 3 : 4, fill: (one) => (own.length > 1 ? LH.colour(index) : one.colour) }));
    if (own.length === 1) {
      for (const one of changes.slice().reverse()) {
        const room = (other) => 3.4 * (one.word.length + other.word.length) + 6;  // of both words, in pixels
        if (words.every((other) => Math.abs(axis.placeOf(other.share) - axis.placeOf(one.share)) >= room(other))) words.push(one);
      }
      marks.push(Plot.text(words, { x: "x", frameAnchor: "top", text: "word", dy: -14, fill: (one) => one.colour, fontWeight: 600 }));
    }
    tips.push(...changes);
  });
  marks.push(LH.tip(tips));
  return { x: axis.x, y: { label: null, grid: true, nice: true, tickFormat: (n) => LH.points(n / 100) }, insetLeft: 14, insetRight: 14, marginBottom: 44, marginTop: 34, marks: [axis.mark, ...marks] };
}, 250);

LH.facetLegend = (facet) => {
  const colours = LH.curveColours(facet);
  return LH.legend(facet.curves.map((curve) => ({
    name: curve.control ? curve.label : curve.label, colour: colours.get(curve.id), kind: curve.control ? "dashed" : "",
  })));
};

LH.facetCard = (facet, doc) => {
  const own = facet.curves.filter((curve) => !curve.control), many = own.length > 1;
  return LH.card(`${facet.place}, ${LH.count(facet.n_train)} training points`,
    many ? null : LH.h("p", { class: "lead" }, own[0].answer),
    LH.h("h3", {}, `Score: ${LH.named(facet.metric)}, with 95 % intervals`),
    LH.facetLegend(facet), LH.scoreChart(facet), LH.axisNote(),
    LH.h("p", { class: "note" }, `Large dots are means over seeds, small ones single runs.${LH.shownFloors(facet).length ? " The dotted line is the highest score that needs no training." : facet.curves.some((curve) => curve.floors.length) ? " Scores that need no training lie below this picture; the notes name them." : ""}`),
    own.some((curve) => curve.shares.some((share) => share.change)) ? [
      LH.h("h3", {}, "Change against the smallest share, in percentage points"), LH.changeChart(facet), LH.axisNote(),
      LH.h("p", { class: "note" }, `Each bar is the interval that decides the verdict: worse where all of it lies below 0, better above. It holds for all shares of a curve at once. Inside the grey band a loss would not matter (±\u00a0${+(100 * doc.delta).toPrecision(3)}\u00a0points)${many ? "." : `; "loss <" says that such a loss is ruled out, and no more.`}`),
    ] : null,
    facet.curves.map((curve) => [
      LH.folded(`${many || curve.control ? `${curve.label}: ` : ""}numbers, warnings and notes${curve.problems.length ? ` (${LH.plural(curve.problems.length, "warning")})` : ""}`,
        LH.list(curve.problems, "problems"), LH.table(curve.table), LH.list(curve.notes, "notes")),
    ]), LH.made(doc.commands.report));
};

// Score over the number of human labels alone, with the fitted curve, dashed beyond what was run.
LH.learningChart = (one) => LH.chart(`${LH.named(one.metric)} over the number of human labels, ${one.name}`, (width) => {
  const measured = one.sizes.filter((size) => size.score).map((size) => ({
    x: size.n_human, y: 100 * size.score.value, low: 100 * (size.score.low ?? size.score.value), high: 100 * (size.score.high ?? size.score.value),
    title: `${LH.count(size.n_human)} human labels\nmean ${LH.percent(size.score.value)} % [${LH.percent(size.score.low)}, ${LH.percent(size.score.high)}]\n${LH.plural(size.seeds, "seed")}, ${LH.plural(size.items, "test item")}`,
  }));
  const runs = one.runs.filter((run) => LH.isNumber(run[2])).map(([human, seed, score, cell]) => ({ x: human, y: 100 * score, title: `seed ${seed}: ${LH.percent(score)} %\n${LH.count(human)} human labels\n${cell}` }));
  const curve = one.curve.map((point) => ({ x: point.n_human, y: 100 * point.value, low: 100 * point.low, high: 100 * point.high, beyond: point.extrapolated }));
  const tried = curve.filter((point) => !point.beyond), beyond = curve.slice(Math.max(0, tried.length - 1));
  const [floor] = LH.shownFloors({ curves: [{ runs: one.runs.map((run) => [null, null, null, run[2]]), shares: one.sizes, floors: one.floors }] });
  return {
    x: LH.sizeAxis("human labels (log scale)", [...measured, ...curve.slice(-1)].map((point) => point.x), width), marginBottom: 48, marginTop: 26, insetLeft: 12, insetRight: 12,
    y: { label: `↑ ${LH.named(one.metric)} (%)`, grid: true, nice: true },
    marks: [
      ...(floor ? [Plot.ruleY([100 * floor.score], { stroke: "var(--muted)", strokeDasharray: "2,4" }), Plot.text([floor], { frameAnchor: "right", y: 100 * floor.score, text: () => `floor: ${floor.name}`, dx: -4, dy: -7, textAnchor: "end", fill: "var(--muted)", stroke: "var(--surface)", strokeWidth: 4 })] : []),
      Plot.areaY(curve, { x: "x", y1: "low", y2: "high", fill: "var(--human)", fillOpacity: 0.14 }),
      Plot.lineY(tried, { x: "x", y: "y", stroke: "var(--human)", strokeWidth: 2 }),
      Plot.lineY(beyond, { x: "x", y: "y", stroke: "var(--human)", strokeWidth: 2, strokeDasharray: "5,4" }),
      Plot.dot(runs, { x: "x", y: "y", dx: -7, r: 2.4, fill: "var(--human)", fillOpacity: 0.5 }),
      Plot.ruleX(measured, { x: "x", y1: "low", y2: "high", stroke: "var(--human)", strokeWidth: 2 }),
      Plot.dot(measured, { x: "x", y: "y", r: 4.2, fill: "var(--human)", stroke: "var(--surface)", strokeWidth: 1 }),
      LH.tip([...measured, ...runs]),
    ],
  };
}, 320);

LH.learningCard = (one, doc) => LH.card(`${one.name}: human labels alone`,
  LH.h("p", { class: "lead" }, one.answer), LH.learningChart(one),
  LH.h("p", { class: "note" }, `Large dots are means over seeds with their 95 % intervals, small ones single runs.${one.curve.length ? " The line is the fitted curve; it is dashed where no run was, and ends at twice the most labels." : ""}`),
  LH.folded(`numbers, warnings and notes${one.problems.length ? ` (${LH.plural(one.problems.length, "warning")})` : ""}`,
    LH.list(one.problems, "problems"), LH.table(one.table), LH.list(one.notes, "notes")), LH.made(doc.commands.report));

LH.views = LH.views || {};
LH.views.curves = (page) => {
  const doc = page.document, facets = LH.facets(doc);
  return [
    facets.map((facet) => LH.facetCard(facet, doc)),
    (doc.learning || []).map((one) => LH.learningCard(one, doc)),
    doc.sections.curves.map((section) => LH.section(section, doc.commands)),
    LH.card("How to make these numbers", LH.command(doc.commands.report, "all tables and figures"), LH.command(doc.commands.next, "is another seed worth it?")),
  ];
};
