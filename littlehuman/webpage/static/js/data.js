"use strict";
// Single items: predictions, twins beside their human originals, rejected answers, and where arms disagree.
LH.ITEM_KINDS = [["predictions", "Predictions"], ["twins", "Twins and originals"], ["rejected", "Rejected answers"], ["disagreement", "Disagreement"]];
LH.asked = { kind: "predictions", cell: null, curve: null, show: "all", words: "", page: 0 };

LH.mark = (score) => (!LH.isNumber(score) ? ["no score", "none"] : score >= 1 ? ["right", "good"] : score <= 0 ? ["wrong", "bad"] : [`${LH.percent(score)} %`, "warn"]);
LH.badge = (text, kind) => LH.h("span", { class: `badge ${kind}` }, text);
LH.quoted = (label, text, kind) => LH.h("div", { class: `quoted ${kind || ""}` }, LH.h("span", { class: "quoted-label" }, label), LH.h("p", { dir: "auto" }, text === null || text === undefined || text === "" ? "(empty)" : text));
LH.evidence = (text) => (text ? LH.h("details", { class: "evidence" }, LH.h("summary", {}, "Evidence"), LH.h("p", { dir: "auto" }, text)) : null);

LH.item = {
  predictions: (row) => {
    const [word, kind] = LH.mark(row.score);
    return [LH.h("header", {}, LH.badge(word, kind), LH.h("code", {}, row.id)),
      row.text ? LH.quoted("test item", row.text) : null,
      LH.h("div", { class: "pair" }, LH.quoted("gold", row.target, "human"), LH.quoted("predicted", row.prediction, kind)), LH.evidence(row.evidence)];
  },
  twins: (row) => [LH.h("header", {}, LH.h("code", {}, row.id)),
    LH.h("div", { class: "pair" }, LH.side("human original", row.human, "human"), LH.side("synthetic twin", row.twin, "synthetic")), LH.evidence(row.evidence)],
  rejected: (row) => [LH.h("header", {}, LH.badge("rejected", "bad"), LH.h("strong", {}, row.reason), LH.h("code", {}, row.id)),
    LH.h("div", { class: "pair" }, LH.side("human original", row.human, "human"), LH.quoted("the model's answer", row.raw, "synthetic raw")), LH.evidence(row.evidence)],
  disagreement: (row) => {
    const bars = row.scores.map(([share, mean]) => {
      const bar = LH.h("span", { class: "bar" });
      bar.style.setProperty("--part", LH.isNumber(mean) ? mean : 0);
      return LH.h("li", {}, LH.h("span", { class: "bar-name" }, LH.share(share)), bar, LH.h("span", { class: "bar-value" }, `${LH.percent(mean)} %`));
    });
    return [LH.h("header", {}, LH.h("code", {}, row.id)), row.text ? LH.quoted("test item", row.text) : null,
      LH.h("ul", { class: "bars", "aria-label": "score by synthetic share, mean over seeds" }, bars), LH.evidence(row.evidence)];
  },
};

LH.side = (label, point, kind) => (point ? LH.h("div", { class: "side" }, LH.quoted(label, point.text, kind), LH.h("p", { class: "target" }, LH.h("span", {}, "label or answer: "), point.target))
  : LH.h("div", { class: "side" }, LH.quoted(label, "The text is not at hand.", "absent")));

LH.cellsOf = (page) => {
  const { columns, rows } = page.state.cells, at = (name) => columns.indexOf(name);
  return rows.filter((row) => row[at("state")] === "done").map((row) => ({ cell: row[at("cell")], synthetic: row[at("n_synthetic")] || 0, label: row[at("cell")] }));
};

LH.itemPlaces = (page, kind) => {
  if (LH.source.isFile) {
    return LH.source.sample.pages.filter((one) => one.kind === kind).map((one) => [one.cell ?? one.curve, one.cell ?? one.curve]);
  }
  if (kind === "disagreement") return [...new Set(page.document.curves.map((curve) => curve.name))].map((name) => [name, name]);
  return LH.cellsOf(page).filter((one) => kind === "predictions" || one.synthetic > 0).map((one) => [one.cell, one.label]);
};

LH.views.data = (page) => {
  const results = LH.h("div", { class: "items" }), notes = LH.h("div"), pager = LH.h("nav", { class: "pager", "aria-label": "pages of items" });
  const controls = LH.h("div", { class: "fields" }), tabs = LH.h("div", { class: "tabs", role: "group", "aria-label": "kinds of items" });
  const asked = LH.asked;
  let latest = 0;
  const place = () => (asked.kind === "disagreement" ? "curve" : "cell");
  const query = () => ({ kind: asked.kind, [place()]: asked[place()], page: asked.page, words: asked.words, ...(asked.kind === "predictions" ? { show: asked.show } : {}) });
  const load = async (again) => {
    const mine = ++latest;
    if (!asked[place()]) {
      LH.fill(results, LH.h("p", { class: "empty" }, asked.kind === "predictions" ? "No complete run yet." : asked.kind === "disagreement" ? "There is no curve with two shares yet." : LH.source.isFile ? "None in the sample of this file." : "No complete run has twins."));
      LH.fill(notes); LH.fill(pager);
      return;
    }
    try {
      const found = await LH.source.items(page.name, query());
      if (mine !== latest) return;
      show(found);
      if (found.reading && (again || 0) < 60) setTimeout(() => { if (mine === latest) load((again || 0) + 1); }, 700);
    } catch (error) {
      if (mine === latest) LH.fill(results, LH.h("p", { class: "problem" }, error.message));
    }
  };
  const turn = (to) => { asked.page = to; load().then(() => results.scrollIntoView({ block: "start", behavior: "auto" })); };
  const show = (found) => {
    results.classList.toggle("compact", asked.kind !== "twins" && asked.kind !== "rejected" && !found.rows.some((row) => row.text));
    LH.fill(results, found.rows.length ? found.rows.map((row) => LH.h("article", { class: "item" }, LH.item[asked.kind](row))) : LH.h("p", { class: "empty" }, found.of ? "Nothing matches." : asked.kind === "rejected" ? "No answer was rejected." : "There are none."));
    LH.fill(notes, LH.list(found.notes, "notes"));
    const count = `${LH.count(found.total)}${found.total !== found.of ? ` of ${LH.count(found.of)}` : ""} ${asked.kind === "rejected" ? "answers" : "items"}`;
    const button = (text, to, off) => LH.h("button", { type: "button", disabled: off, onclick: () => turn(to) }, text);
    LH.fill(pager, LH.h("span", { role: "status" }, `${count}, page ${LH.count(found.page + 1)} of ${LH.count(found.pages)}`),
      button("First", 0, found.page === 0), button("Previous", found.page - 1, found.page === 0), button("Next", found.page + 1, found.page + 1 >= found.pages));
  };
  const change = (key, value) => { asked[key] = value; asked.page = 0; load(); };
  const draw = () => {
    const places = LH.itemPlaces(page, asked.kind), key = place();
    if (!places.some(([value]) => value === asked[key])) asked[key] = (places.find(([value]) => /-f(1|0\.9)/.test(value)) || places[0] || [null])[0];
    LH.fill(tabs, LH.ITEM_KINDS.map(([kind, name]) => LH.h("button", { type: "button", "aria-pressed": String(kind === asked.kind), onclick: () => { asked.kind = kind; asked.page = 0; draw(); load(); } }, name)));
    const search = LH.h("input", { type: "search", value: asked.words, placeholder: "words or an id", oninput: (event) => { clearTimeout(search.due); search.due = setTimeout(() => change("words", event.target.value), 250); } });
    LH.fill(controls,
      places.length ? LH.select(asked.kind === "disagreement" ? "curve" : "run", places, asked[key], (value) => change(key, value)) : null,
      asked.kind === "predictions" ? LH.select("show", [["all", "all"], ["right", "right"], ["wrong", "wrong"], ["between", "partly right"]], asked.show, (value) => change("show", value)) : null,
      LH.h("label", { class: "field" }, LH.h("span", {}, "search"), search));
  };
  draw();
  LH.fill(results, LH.h("p", { class: "empty" }, "Items are being read."));
  load();
  return [
    LH.card("Items", LH.h("p", { class: "note" }, "Twins are synthetic points: a prompt model wrote each one from the evidence of a human point, which stands beside it."),
      LH.source.isFile ? LH.h("p", { class: "stated" }, LH.source.sample.said) : null, tabs, controls, notes, results, pager),
    page.document.sections ? page.document.sections.data.map((section) => LH.section(section, page.document.commands)) : null,
  ];
};
