"use strict";
// Elements, formats and small parts. Texts of studies are written by textContent alone: nothing here parses HTML.
const LH = {};

LH.h = (tag, props, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "selected") made[name] = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  LH.add(made, children);
  return made;
};

// A number and its unit stay on one line.
LH.bound = (text) => text.replace(/(\d) (%|USD|points?\b)/g, "$1\u00a0$2");

LH.add = (parent, children) => {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : document.createTextNode(LH.bound(String(child))));
  }
};

LH.fill = (parent, ...children) => {
  parent.replaceChildren();
  LH.add(parent, children);
};

LH.NOTHING = "–";
LH.isNumber = (value) => typeof value === "number" && Number.isFinite(value);
LH.count = (value) => (LH.isNumber(value) ? value.toLocaleString("en-US", { maximumFractionDigits: 1 }) : LH.NOTHING);
LH.percent = (value) => (LH.isNumber(value) ? (100 * value).toFixed(1) : LH.NOTHING);
LH.points = (value) => (LH.isNumber(value) ? `${value > 0.0005 ? "+" : ""}${((100 * value).toFixed(1) === "-0.0" ? "0.0" : (100 * value).toFixed(1)).replace("-", "−")}` : LH.NOTHING);
LH.share = (value) => `${+(100 * value).toPrecision(6)} %`;
LH.money = (value) => (LH.isNumber(value) ? value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : LH.NOTHING);
LH.size = (value) => (!LH.isNumber(value) ? "infinitely many" : Math.abs(value) >= 100 ? LH.count(Math.round(value)) : String(+value.toPrecision(3)));
LH.named = (metric) => String(metric || "").replaceAll("_", " ");
LH.plural = (number, word) => `${LH.count(number)} ${word}${number === 1 ? "" : "s"}`;
LH.time = (seconds) => {
  if (!LH.isNumber(seconds)) return LH.NOTHING;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
};

LH.say = (text) => {
  const place = document.getElementById("said");
  if (place && place.textContent !== text) place.textContent = text;
};

LH.command = (text, label) => {
  const done = (event, worked) => {
    const button = event.target;
    button.textContent = worked ? "Copied" : "Select it, then copy";
    LH.say(worked ? "The command was copied." : "The command cannot be copied by this browser.");
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  };
  const copy = (event) => {
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => done(event, true), () => done(event, false));
    else done(event, false);
  };
  return LH.h("div", { class: "command" },
    label ? LH.h("span", { class: "command-label" }, label) : null,
    LH.h("code", { tabindex: 0 }, text),
    LH.h("button", { type: "button", class: "quiet", onclick: copy, "aria-label": `Copy the command ${text}` }, "Copy"));
};

LH.card = (title, ...children) =>
  LH.h("section", { class: "card" }, title ? LH.h("h2", {}, title) : null, children);

LH.list = (texts, kind) => (texts && texts.length ? LH.h("ul", { class: kind }, texts.map((text) => LH.h("li", {}, text))) : null);

// A table of the report: the first `words` columns are words, the others numbers.
LH.table = (of, caption) => {
  const kind = (column) => (column >= (of.words ?? 1) ? "number" : null);
  const head = LH.h("tr", {}, of.header.map((name, column) => LH.h("th", { scope: "col", class: kind(column) }, name)));
  const row = (cells) => LH.h("tr", {}, cells.map((cell, column) =>
    (column === 0 ? LH.h("th", { scope: "row", class: kind(column) }, cell) : LH.h("td", { class: kind(column) }, cell))));
  const label = of.title || caption || "Table";
  return LH.h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    LH.h("table", {}, LH.h("caption", { class: of.title ? null : "unseen" }, label),
      LH.h("thead", {}, head), LH.h("tbody", {}, of.rows.map(row))));
};

LH.folded = (title, ...children) => LH.h("details", {}, LH.h("summary", {}, title), children);

// The command that made the numbers of a card, folded away.
LH.made = (command) => LH.folded("the command that made these numbers", LH.command(command));

LH.section = (of, commands) => LH.card(of.title,
  LH.list(of.problems, "problems"),
  of.tables.map((one) => LH.table(one, of.title)),
  of.note ? LH.h("p", { class: "note" }, of.note) : null,
  of.command && commands[of.command] ? LH.command(commands[of.command]) : LH.made(commands.report));

LH.select = (label, options, chosen, change) => LH.h("label", { class: "field" }, LH.h("span", {}, label),
  LH.h("select", { onchange: (event) => change(event.target.value) },
    options.map(([value, text]) => LH.h("option", { value, selected: value === chosen }, text))));

LH.number = (label, value, change, more) => LH.h("label", { class: "field" }, LH.h("span", {}, label),
  LH.h("input", { type: "number", value, min: "0", step: "any", inputmode: "decimal", ...more, oninput: (event) => change(Number(event.target.value)) }));
