"use strict";
// What a human label is worth, and what to buy. The server sends the worth at each position of the slider; here it is
// only compared with the ratio of the two prices.
LH.verdictAt = (worth, nth, paid) => {
  const number = (value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);
  const low = number(worth.low[nth]), high = number(worth.high[nth]);
  if (low === null || high === null) return ["not known", "The runs do not say what a human point is worth here."];
  if (paid < low) return ["human wins", "A human point costs less than the synthetic points that it replaces."];
  if (paid > high) return ["synthetic wins", high <= 0 ? "Human points are not worth any synthetic ones here." : "A human point costs more than the synthetic points that it replaces."];
  return ["not known", "What a human point costs lies inside the interval of what it is worth."];
};

LH.range = (worth, nth) => {
  const side = (value, none) => (LH.isNumber(value) ? LH.size(value) : none);
  return `${side(worth.value[nth], "no finite number")} [${side(worth.low[nth], worth.low[nth] === "inf" ? "more than any number" : "no lower end")}, ${side(worth.high[nth], "no upper end")}]`;
};

LH.slider = (label, attributes, change) => {
  const shown = LH.h("output", {}, attributes.said(attributes.value));
  const input = LH.h("input", { type: "range", min: attributes.min, max: attributes.max, step: attributes.step || 1, "aria-valuetext": attributes.said(attributes.value) });
  input.value = attributes.value;
  input.addEventListener("input", () => {
    shown.textContent = attributes.said(Number(input.value));
    input.setAttribute("aria-valuetext", shown.textContent);
    change(Number(input.value));
  });
  return LH.h("label", { class: "slider" }, LH.h("span", {}, label), input, shown);
};

// Prices on a log scale from 0.00001 to 100, ten steps a decade.
LH.STEPS = d3.range(-5, 3).flatMap((power) => [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8].map((first) => Number((first * 10 ** power).toPrecision(2))));
LH.priceOf = (step) => LH.STEPS[step];
LH.stepOf = (price) => d3.leastIndex(LH.STEPS, (step) => Math.abs(Math.log(step / price)));
LH.price = (value) => (value >= 1 ? value.toFixed(2) : String(Number(value.toPrecision(3))));

LH.priceCard = (one, page) => {
  const start = one.prices || [0.8, one.synthetic_usd || 0.002];
  const chosen = { worth: one.worth[0], nth: one.worth[0].n.length - 1, human: start[0], synthetic: start[1] };  // exact until a slider is moved
  const verdict = LH.h("div", { class: "verdict", "aria-live": "polite" }), chart = LH.h("div"), command = LH.h("div"), fitted = LH.h("div");
  const show = () => {
    const { worth, nth, human, synthetic } = chosen, paid = human / synthetic;
    const [word, why] = LH.verdictAt(worth, nth, paid);
    const even = LH.isNumber(worth.value[nth]) ? `Break-even: a human label at ${LH.price(worth.value[nth] * synthetic)}.` : "";
    LH.fill(verdict,
      LH.h("p", { class: "big" }, `Beside ${LH.count(worth.n[nth])} synthetic points: `, LH.h("strong", {}, word)),
      LH.h("p", {}, `One of ${LH.count(worth.human_points)} human points replaces ${LH.range(worth, nth)} synthetic ones; it costs as much as ${LH.size(paid)}. ${why} ${even}`));
    LH.fill(chart, LH.worthChart(worth, nth, paid));
    const terms = `--human-price ${human} --synthetic-price ${synthetic} --at ${worth.n[nth]}`;
    LH.fill(command, LH.command(`${page.document.commands.price.split(" --human-price")[0]} ${terms}`, "these numbers"));
  };
  let due = 0;
  const later = () => { clearTimeout(due); due = setTimeout(show, 16); };
  LH.fill(fitted, LH.tradeoffChart(one));
  const card = LH.card(`${one.name}: what a human label is worth`,
    LH.h("div", { class: "sliders" },
      one.worth.length > 1 ? LH.select("human points added", one.worth.map((worth, i) => [String(i), LH.count(worth.human_points)]), "0", (value) => { chosen.worth = one.worth[Number(value)]; later(); }) : null,
      LH.slider("N, synthetic points beside it", { min: 0, max: chosen.worth.n.length - 1, value: chosen.nth, said: (nth) => LH.count(chosen.worth.n[nth]) }, (nth) => { chosen.nth = nth; later(); }),
      LH.slider("price of a human label", { min: 0, max: LH.STEPS.length - 1, value: LH.stepOf(chosen.human), said: (step) => LH.price(LH.priceOf(step)) }, (step) => { chosen.human = LH.priceOf(step); later(); }),
      LH.slider("price of a synthetic point", { min: 0, max: LH.STEPS.length - 1, value: LH.stepOf(chosen.synthetic), said: (step) => LH.price(LH.priceOf(step)) }, (step) => { chosen.synthetic = LH.priceOf(step); later(); })),
    verdict, LH.h("h3", {}, "Worth of one human point, in synthetic points that it replaces"), chart,
    LH.h("p", { class: "note" }, "Line and band: the worth of one human point with its 95 % interval, over the numbers of synthetic points that were tried. Where the dashed price lies below the band, human points are the better buy; above it, synthetic ones."),
    LH.h("h3", {}, "The runs and the fitted curves"), LH.tradeoffLegend(one), fitted,
    LH.folded("The same as text, with all that must be said beside it", LH.h("pre", { tabindex: 0 }, one.text)), command);
  show();
  return card;
};

LH.planTable = (plan) => {
  const row = (name, one) => [name, LH.count(one.n_human), LH.count(one.n_synthetic), LH.money(one.cost), `${LH.percent(one.score.value)} [${LH.percent(one.score.low)}, ${LH.percent(one.score.high)}]`];
  const rows = [...(plan.plan ? [row("plan", plan.plan)] : []), ...(plan.runner_up ? [row("runner-up", plan.runner_up)] : [])];
  return rows.length ? LH.table({ title: "What to buy", words: 1, header: ["", "human labels", "synthetic points", "cost", "expected score (%)"], rows }) : LH.h("p", {}, LH.h("strong", {}, "No plan."));
};

LH.shownPlan = (plan) => [
  LH.planTable(plan),
  plan.curve.length > 1 ? LH.budgetChart(plan) : null,
  LH.list(plan.findings.map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`), "notes"),
  plan.next_cells.length ? [LH.h("h3", {}, plan.plan ? "To check it, run" : "Run next"), plan.next_cells.map((cell) => (cell.command ? LH.command(cell.command, cell.why) : LH.h("p", {}, `${LH.count(cell.n_human)} human + ${LH.count(cell.n_synthetic)} synthetic points, ${LH.plural(cell.runs, "seed")}: ${cell.why}`)))] : null,
  LH.folded("The same as text", LH.h("pre", { tabindex: 0 }, plan.text)),
];

LH.planCard = (one, page) => {
  const asked = { series: one.name, human_price: one.prices?.[0] ?? 0.8, synthetic_price: one.prices?.[1] ?? one.synthetic_usd ?? 0.002, budget: 500 };
  const shown = LH.h("div", { "aria-live": "polite" }), command = LH.h("div");
  let due = 0, latest = 0;
  const ask = async () => {
    const mine = ++latest;
    LH.fill(command, LH.command(`${page.document.commands.plan.split(" --budget")[0]} --budget ${asked.budget} --human-price ${asked.human_price} --synthetic-price ${asked.synthetic_price}`, "this plan"));
    try {
      const plan = await LH.source.plan(page.name, asked);
      if (mine === latest) LH.fill(shown, LH.shownPlan(plan));
    } catch (error) {
      if (mine === latest) LH.fill(shown, LH.h("pre", { class: "problem" }, error.message));
    }
  };
  const later = () => { clearTimeout(due); due = setTimeout(ask, 350); };
  const field = (label, key) => LH.number(label, asked[key], (value) => { asked[key] = value; later(); });
  LH.fill(shown, LH.h("p", { class: "note" }, "The plan is being computed."));
  ask();
  return LH.card(`${one.name}: what to buy`,
    LH.h("div", { class: "fields" }, field("sum to spend", "budget"), field("price of a human label", "human_price"), field("price of a synthetic point", "synthetic_price")),
    shown, command);
};

LH.views.price = (page) => {
  const doc = page.document, some = doc.tradeoffs;
  return [
    some.map((one) => (one.worth.length ? LH.priceCard(one, page) : LH.card(one.name,
      LH.h("p", { class: "lead" }, `What human points are worth cannot be told: ${one.why}.`), LH.tradeoffLegend(one), LH.tradeoffChart(one)))),
    LH.source.plan ? some.map((one) => LH.planCard(one, page)) : doc.plans.map((plan) => LH.card(`${plan.name}: what to buy for ${LH.money(plan.budget)}`, LH.shownPlan(plan))),
    !LH.source.plan && some.length && !doc.plans.length ? LH.card("What to buy", LH.h("p", {}, "This file was written without a budget."), LH.command(doc.commands.plan)) : null,
    doc.sections.price.map((section) => LH.section(section, doc.commands)),
  ];
};
