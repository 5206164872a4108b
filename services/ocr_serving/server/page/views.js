// The result of a page beside its picture: as text, as a document, as tables, as fields, as JSON; what is typed into it is kept.

import { byId, copied, counted, element } from "./dom.js";
import * as raw from "./raw.js";
import * as tree from "./tree.js";
import * as viewer from "./viewer.js";

const panel = byId("result");

export const VIEWS = { text: "Text", document: "Document", tables: "Tables", fields: "Fields", json: "JSON" };

/** The views that make sense for what was read. */
export function views(read) {
  if (!read?.tree) return ["text", "json"];
  const { pages, fields } = read.tree;
  const has = { tables: tree.tablesOf(read.tree).length, fields: fields.length, text: pages.length, document: pages.length, json: true };
  return Object.keys(VIEWS).filter((name) => has[name]);
}

/** Show a page of what was read: `at` is its place among the pages, `changed` is called after a correction. */
export function show(read, at, view, changed) {
  panel.replaceChildren();
  panel.className = `scroll as-${view}`;
  if (read.answer) return showRaw(read, at, view);
  const page = read.tree.pages[at];
  const marks = page ? marksOf(page) : new Map();
  viewer.draw([...marks.values()].flat());
  if (view === "json") return panel.append(code(read.tree));
  if (view === "fields") return panel.append(fields(read.tree, at, changed));
  if (!page) return;
  if (!page.blocks.length) panel.append(element("p", { class: "soft" }, page.remarks[0] ?? "Nothing is written on this page."));
  else if (view === "text") panel.append(lines(page, marks, changed));
  else if (view === "tables") panel.append(...tables(page, marks, changed));
  else panel.append(...blocks(page, marks, changed));
}

/** The text of the whole result, or of what is shown. */
export function plainText(read, view) {
  if (read.answer) return view === "json" ? JSON.stringify(read.answer, null, 2) : read.answer.results.map((entry) => raw.plain(raw.readEntry(entry).blocks)).join("\n");
  if (view === "json") return JSON.stringify(read.tree, null, 2);
  if (view === "fields") return read.tree.fields.map((pair) => `${pair.question}\t${pair.answer}`).join("\n");
  if (view === "tables") return tree.tablesOf(read.tree).map(tree.textOf).join("\n\n");
  if (view === "text") return read.tree.pages.map((page) => page.blocks.map(rowsText).join("\n")).join("\n\n");
  return read.tree.pages.map((page) => page.blocks.map(tree.textOf).join("\n\n")).join("\n\n");
}

const rowsText = (block) => tree.rowsOfLines(tree.holders(block).flatMap((holder) => holder.lines))
  .map((row) => row.map((line) => line.text).join("\t")).join("\n");

/* A mark for each line, and one for each doubtful word in it: line → marks. */
function marksOf(page) {
  const found = new Map();
  tree.linesOf(page).forEach((line, n) => {
    const doubts = line.words.filter(tree.isDoubtful);
    found.set(line, [
      { id: n, points: line.quad, kind: "line" },
      ...doubts.map((word) => ({ id: `${n}w${line.words.indexOf(word)} ${n}`, points: word.quad, kind: "word", doubtful: true })),
    ]);
  });
  return found;
}

const sureness = (word) => `Read with ${Math.round(word.confidence * 100)} % confidence: have a look`;

/* A text that can be corrected where it stands. */
function editable(name, attributes, text, save, ...children) {
  const made = element(name, {
    ...attributes, contenteditable: "plaintext-only", role: "textbox", spellcheck: "false", tabindex: attributes.tabindex ?? 0,
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !attributes["aria-multiline"]) {
        event.preventDefault();
        made.blur();
      }
      if (event.key === "Escape") {
        made.replaceChildren(text);
        made.blur();
      }
    },
    onblur: () => {
      const said = made.innerText.replace(/\u00a0/g, " ").replace(/\n+$/, "");
      if (said === text) return;
      save(said);
      text = said;
      made.classList.add("corrected");
    },
  }, ...(children.length ? children : [text]));
  if (made.contentEditable !== "plaintext-only") made.contentEditable = "true";
  return made;
}

const spans = (line) => tree.pieces(line).map(({ text, word }) => word && tree.isDoubtful(word)
  ? element("mark", { title: sureness(word) }, text) : text);

function lines(page, marks, changed) {
  const list = element("ol", { class: "lines", "aria-label": "Lines" });
  let n = 0;
  for (const block of page.blocks) {
    let first = true;
    const holderOf = new Map(tree.holders(block).flatMap((holder) => holder.lines.map((line) => [line, holder])));
    for (const row of tree.rowsOfLines([...holderOf.keys()])) {
      const item = element("li", { class: first && n ? "apart" : "" });
      for (const line of row) {
        n += 1;
        const words = editable("span", { "aria-label": `Line ${n}`, "data-mark": marks.get(line)[0].id }, line.text,
          (said) => { if (tree.correctLine(holderOf.get(line), line, said)) changed(); }, ...spans(line));
        words.addEventListener("keydown", (event) => {
          const other = { ArrowDown: item.nextElementSibling, ArrowUp: item.previousElementSibling }[event.key];
          if (!other) return;
          event.preventDefault();
          other.firstElementChild.focus();
        });
        item.append(words);
      }
      list.append(item);
      first = false;
    }
  }
  return list;
}

const ids = (holder, marks) => holder.lines.map((line) => marks.get(line)?.[0].id).filter((id) => id !== undefined).join(" ");

/* The words of a block, doubtful ones marked where they stand in it. */
function marked(holder) {
  const doubts = holder.lines.flatMap((line) => line.words).filter(tree.isDoubtful), made = [];
  let at = 0;
  for (const word of doubts) {
    const start = holder.text.indexOf(word.text, at);
    if (start < 0) continue;
    made.push(holder.text.slice(at, start), element("mark", { title: sureness(word) }, word.text));
    at = start + word.text.length;
  }
  return [...made, holder.text.slice(at)];
}

function blocks(page, marks, changed) {
  const written = (name, holder, label, more = {}) => editable(name, { "data-mark": ids(holder, marks), "aria-label": label, ...more }, holder.text,
    (said) => { if (tree.correctText(holder, said)) changed(); }, ...marked(holder));
  return page.blocks.map((block) => {
    if (block.kind === "table") return tableOf(block, marks, changed);
    if (block.kind === "list") return element("ul", {}, ...block.items.map((item) => element("li", { class: `depth${Math.min(item.depth, 3)}` },
      element("span", { class: "marker" }, item.marker), written("span", item, "Item of a list"))));
    if (block.kind === "field") return element("p", { class: "field", "data-mark": ids(block, marks) }, element("b", {}, block.question), block.answer);
    if (block.kind === "figure") return element("figure", { "data-mark": ids(block, marks) }, element("span", { class: "soft" }, "Picture"),
      block.text ? written("figcaption", block, "Text in a picture", { "aria-multiline": "true" }) : "");
    const kinds = { heading: "Heading", caption: "Caption", header: "Page header", footer: "Page footer", paragraph: "Paragraph" };
    // A box inside the heading is typed into, so that the heading stays one for a screen reader.
    if (block.kind === "heading") return element(`h${Math.min(6, 2 + (block.level ?? 1))}`, {}, written("span", block, kinds.heading));
    return written("p", block, kinds[block.kind], { class: block.kind, "aria-multiline": "true" });
  });
}

function tableOf(table, marks, changed) {
  const body = element("tbody");
  for (const row of tree.rowsOf(table)) body.append(element("tr", {}, ...row.map((cell) => element("td",
    { colspan: cell.columns, rowspan: cell.rows, "data-mark": ids(cell, marks) },
    editable("div", { "aria-label": `Row ${cell.row + 1}, column ${cell.column + 1}` }, cell.text,
      (said) => { if (tree.correctText(cell, said)) changed(); }, ...marked(cell))))));
  return element("div", { class: "table" }, element("table", {}, body));
}

function tables(page, marks, changed) {
  const found = page.blocks.filter((block) => block.kind === "table");
  if (!found.length) return [element("p", { class: "soft" }, "There is no table on this page.")];
  return found.map((table, n) => {
    const copy = element("button", { type: "button", onclick: async () => {
      copy.textContent = await copied(tree.textOf(table)) ? "Copied" : "Not allowed by the browser";
      setTimeout(() => { copy.textContent = "Copy for a spreadsheet"; }, 2000);
    } }, "Copy for a spreadsheet");
    return element("section", {}, element("div", { class: "table-head" },
      element("h3", {}, `Table ${n + 1}`), element("span", { class: "soft" }, `${counted(table.rows, "row")}, ${counted(table.columns, "column")}`), copy),
    tableOf(table, marks, changed));
  });
}

function fields(whole, at, changed) {
  const list = element("dl", {}), links = [], marks = [];
  whole.fields.forEach((pair, n) => {
    const here = pair.page === whole.pages[at]?.number;
    if (here) {
      marks.push({ id: `f${n}`, points: tree.corners(pair.question_box), kind: "line" }, { id: `f${n} a`, points: tree.corners(pair.answer_box), kind: "word" });
    }
    const side = (name, side_) => editable(name, { "aria-label": side_ === "question" ? `Question ${n + 1}` : `Answer ${n + 1}` }, pair[side_],
      (said) => { if (tree.correctField(whole, pair, side_, said)) changed(); });
    list.append(element("div", { "data-mark": here ? `f${n}` : "" }, element("dt", {}, side("span", "question")),
      element("dd", {}, side("span", "answer"), whole.pages.length > 1 ? element("span", { class: "soft" }, ` page ${pair.page}`) : "")));
  });
  viewer.draw(marks, links);
  return whole.fields.length ? list : element("p", { class: "soft" }, "No questions with answers were found.");
}

const code = (value) => element("pre", {}, JSON.stringify(value, (key, item) => typeof item === "number" ? Math.round(item * 1e4) / 1e4 : item, 2));

function showRaw(read, at, view) {
  const found = raw.readEntry(read.answer.results[at] ?? []);
  const colour = viewer.draw(found.marks.map((mark, id) => ({ ...mark, id })),
    found.blocks.filter((block) => block.link && block.at.every((n) => n !== null)).map((block) => block.at.map((n) => found.marks[n].points)));
  if (view === "json") return panel.append(code(read.answer), element("h3", {}, "The same call with curl"), element("pre", {}, read.curl));
  const items = found.blocks.map((block) => {
    const item = element("li", { tabindex: 0, "data-mark": block.at.join(" ") });
    if (block.rows) {
      item.append(element("div", { class: "table" }, element("table", {}, element("tbody", {}, ...block.rows.map((row) => element("tr", {}, ...row.map((cell) =>
        element("td", { colspan: cell.columns, rowspan: cell.rows, "data-mark": cell.at }, cell.text))))))));
      return item;
    }
    const words = element("span");
    if (block.label) words.append(element("span", { class: "label", colour: colour(block.label) }, block.label));
    words.append(block.text);
    item.append(words);
    if (typeof block.sure === "number") item.append(element("span", { class: "sure", title: "Confidence" }, block.sure.toFixed(2)));
    return item;
  });
  if (!items.length) return panel.append(element("p", { class: "soft" }, "Nothing was found on this page."));
  panel.append(element("ol", { class: "lines" }, ...items));
}
