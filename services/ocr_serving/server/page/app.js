// The page: what the visitor does, and what is seen of it.

import { byId, copied, counted, element } from "./dom.js";
import * as downloads from "./downloads.js";
import * as files from "./files.js";
import { MODES, Queue } from "./queue.js";
import * as service from "./service.js";
import * as viewer from "./viewer.js";
import * as views from "./views.js";

const queue = new Queue(redraw);
let selected = null, at = 0, view = "";
/* The page follows what is being read until the visitor chooses one. */
let follows = true;

const mode = () => queue.mode;
const readNow = () => selected?.read(mode());

// ---- modes

function showModes() {
  const radio = (value, label, isServed) => {
    const input = element("input", { type: "radio", name: "mode", value, disabled: !isServed, onchange: () => choose(value) });
    return element("label", { title: isServed ? MODES[value]?.says ?? "The modules of this service by name" : `Not served here: ${label.toLowerCase()}` },
      input, element("span", {}, label));
  };
  const served = Object.keys(MODES).filter((name) => queue.moduleFor(name));
  byId("modes").append(...Object.entries(MODES).map(([name, about]) => radio(name, about.name, served.includes(name))), radio("more", "More", true));
  byId("module").replaceChildren(...queue.modules.map((name) => element("option", { value: name }, name)));
  choose(served[0] ?? "more");
}

function choose(value) {
  for (const input of document.getElementsByName("mode")) input.checked = input.value === value;
  const isMore = value === "more";
  byId("module-label").hidden = !isMore;
  queue.mode = isMore ? byId("module").value : value;
  byId("mode-says").textContent = isMore ? summaries.get(queue.mode) ?? "" : MODES[value].says;
  view = "";
  if (selected && !["skipped", "failed"].includes(selected.state) && !readNow()) queue.again(selected);
  else queue.go();
  if (selected) select(selected);
}

let summaries = new Map();

// ---- files

function add(found) {
  if (!found.length) return tell("", "That was not a file. Drop, paste or choose a picture or a PDF.");
  tell("");
  document.body.classList.add("started");
  byId("work").hidden = false;
  const added = queue.add(found);
  if (!selected || !["reading", "waiting"].includes(selected.state)) select(added.find((entry) => entry.state !== "skipped") ?? added[0]);
}

function select(entry, page = 0) {
  selected = entry;
  at = page;
  follows = true;
  // It was read before another mode was chosen.
  if (entry.state === "done" && !readNow()) queue.again(entry);
  redraw(entry);
}

/* The row of an entry is made once and changed after, so that the focus stays where it is. */
const rows = new Map();

function rowOf(entry) {
  if (rows.has(entry)) return rows.get(entry);
  const name = element("span", { class: "name" }, entry.name), said = element("span", { class: "said" });
  const open = element("button", { type: "button", class: "open", onclick: () => select(entry) }, name, said);
  const act = element("button", { type: "button", class: "act", onclick: () => {
    if (entry.state === "reading" || entry.state === "waiting") queue.cancel(entry);
    else queue.again(entry);
  } });
  const row = { item: element("li", {}, element("span", { class: "sign", "aria-hidden": "true" }), open, act), said, open, act };
  rows.set(entry, row);
  byId("queue").append(row.item);
  return row;
}

function outcome(entry) {
  const read = entry.read(mode()) ?? [...entry.reads.values()].at(-1);
  const says = {
    waiting: "Waiting",
    reading: entry.said || "Reading …",
    cancelled: "Stopped",
    skipped: entry.why,
    failed: entry.why,
  }[entry.state];
  if (says) return says;
  const pages = entry.count > 1 ? [counted(entry.count, "page")] : [];
  const lost = entry.pages.filter((page) => page.state === "failed").length;
  const words = [...pages, read ? `${read.seconds.toFixed(1)} s` : "", lost ? `${lost} not read` : "", entry.corrected ? "corrected" : ""];
  return `Read${words.some(Boolean) ? ": " : ""}${words.filter(Boolean).join(", ")}`;
}

// ---- what is seen

function redraw(entry) {
  const { item, said, open, act } = rowOf(entry), isSelected = entry === selected;
  item.className = `${entry.state}${isSelected ? " selected" : ""}`;
  if (said.textContent !== outcome(entry)) said.textContent = outcome(entry);
  for (const [other, row] of rows) {
    row.item.classList.toggle("selected", other === selected);
    if (other === selected) row.open.setAttribute("aria-current", "true");
    else row.open.removeAttribute("aria-current");
  }
  const running = entry.state === "reading" || entry.state === "waiting";
  const does = running ? "Stop" : entry.state === "failed" || entry.state === "cancelled" ? "Try again" : "Read again";
  act.textContent = does === "Read again" ? "↻" : does;
  act.title = does;
  act.setAttribute("aria-label", `${does}: ${entry.name}`);
  act.hidden = entry.state === "skipped";
  const done = queue.entries.filter((one) => one.state === "done").length, bad = queue.entries.filter((one) => ["failed", "skipped"].includes(one.state)).length;
  byId("queue-title").textContent = queue.entries.length > 1 ? `${queue.entries.length} files, ${done} read${bad ? `, ${bad} not` : ""}` : "File";
  byId("all").hidden = done < 2;
  if (entry.problem?.code === 401 && entry.state === "failed") askForKey();
  if (isSelected) showSelected();
  status();
}

function status() {
  const entry = selected;
  byId("status").textContent = entry ? `${entry.name}: ${outcome(entry)}` : "";
}

function showSelected() {
  const entry = selected, read = readNow();
  const known = views.views(read).filter((name) => !(read?.answer && name === "document"));
  if (follows && entry.state === "reading" && read?.tree) at = Math.max(0, read.tree.pages.length - 1);
  at = Math.min(at, Math.max(0, entry.pages.length - 1));
  const page = entry.pages[at], tree = read?.tree?.pages[at];
  byId("picture-title").textContent = entry.pages.length > 1 ? `Page ${at + 1} of ${entry.pages.length}` : "Picture";
  const size = tree && tree.width > 1 ? [tree.width, tree.height] : page?.size ?? [1, 1];
  viewer.show(page?.url ?? "", size, page ? `Page ${at + 1} of ${entry.name}` : "");
  viewer.excuse(page?.url ? "" : { skipped: "There is nothing to show of this file.", failed: "There is nothing to show of this file." }[entry.state] ?? "The picture is on its way …");
  thumbs(entry);
  if (!known.includes(view)) view = read ? favourite(known) : "";
  tabs(read ? known : []);
  notes(entry, read, tree);
  byId("copy").disabled = !read;
  byId("download").classList.toggle("off", !read);
  byId("download").querySelector("summary").tabIndex = read ? 0 : -1;
  for (const button of byId("formats").children) button.hidden = Boolean(read?.answer) && button.dataset.form !== "json";
  const panel = byId("result");
  if (read) {
    if (!panel.contains(document.activeElement) || panel === document.activeElement || shown !== key(entry)) {
      views.show(read, at, view, () => { entry.corrected = true; redraw(entry); });
      shown = key(entry);
    }
  } else {
    viewer.draw([]);
    panel.className = "scroll";
    panel.replaceChildren(entry.state === "skipped" || entry.state === "failed" ? failure(entry) : waiting(entry));
    shown = "";
  }
}

/* What the panel shows: it is not made anew while somebody types into it. */
let shown = "";
const key = (entry) => [entry.id, mode(), view, at, readNow()?.tree?.pages.length].join();

const favourite = (known) => ({ table: "tables", form: "fields", document: "document" }[mode()] && known.includes({ table: "tables", form: "fields", document: "document" }[mode()])
  ? { table: "tables", form: "fields", document: "document" }[mode()] : known[0]);

function failure(entry) {
  const parts = [element("p", { class: "lead" }, entry.why)];
  if (entry.problem?.said && entry.problem.said !== entry.why)
    parts.push(element("details", { class: "said" }, element("summary", {}, "What the service said"), element("p", {}, entry.problem.said)));
  return element("div", { class: "empty" }, element("p", { class: "soft" }, entry.name), ...parts);
}

const waiting = (entry) => element("div", { class: "empty" }, element("p", { class: entry.state === "cancelled" ? "soft" : "wait" }, outcome(entry)));

function notes(entry, read, page) {
  const said = [...new Set([...(read?.remarks ?? []), ...(page?.remarks ?? [])])];
  if (read && mode() === "table" && read.isWhole && !read.tree.pages.some((one) => one.blocks.some((block) => block.kind === "table"))) said.push("No table was found.");
  if (read && mode() === "form" && read.isWhole && !read.tree.fields.length) said.push("No questions with answers were found: this may be no form.");
  byId("notes").replaceChildren(...said.map((text) => element("p", {}, text)));
}

function tabs(known) {
  byId("tabs").replaceChildren(...known.map((name) => element("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-selected": String(name === view), "aria-controls": "result", tabindex: name === view ? 0 : -1,
    onclick: () => show(name),
  }, views.VIEWS[name])));
  if (view) byId("result").setAttribute("aria-labelledby", `tab-${view}`);
}

function show(name) {
  view = name;
  showSelected();
  byId(`tab-${name}`)?.focus();
}

byId("tabs").addEventListener("keydown", (event) => {
  const all = [...byId("tabs").children], now = all.findIndex((tab) => tab.getAttribute("aria-selected") === "true");
  const next = { ArrowRight: (now + 1) % all.length, ArrowLeft: (now + all.length - 1) % all.length, Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  show(all[next].id.replace("tab-", ""));
});

function thumbs(entry) {
  const list = byId("thumbs");
  list.hidden = entry.pages.length < 2;
  if (list.hidden) return list.replaceChildren();
  entry.pages.forEach((page, n) => {
    const item = list.children[n] ?? list.appendChild(element("li", {}, element("button", { type: "button", onclick: () => { at = n; follows = false; showSelected(); } },
      element("img", { alt: "" }), element("span"))));
    const [image, label] = item.firstElementChild.children;
    if (page.url && image.getAttribute("src") !== page.url) image.src = page.url;
    if (!page.url) image.removeAttribute("src");
    label.textContent = String(n + 1);
    item.className = page.state;
    const says = { waiting: "waiting", reading: "being read", done: "read", failed: "not read" }[page.state] ?? "";
    item.firstElementChild.setAttribute("aria-label", `Page ${n + 1}${says && entry.reads.size ? `, ${says}` : ""}`);
    if (n === at) item.firstElementChild.setAttribute("aria-current", "page");
    else item.firstElementChild.removeAttribute("aria-current");
  });
  while (list.children.length > entry.pages.length) list.lastElementChild.remove();
  // Only the strip moves.
  const now = list.children[at];
  if (now && (now.offsetLeft < list.scrollLeft || now.offsetLeft + now.offsetWidth > list.scrollLeft + list.clientWidth)) list.scrollLeft = now.offsetLeft - 20;
}

// ---- hover, both ways

const panel = byId("result");
const marksOf = (target) => (target.closest?.("[data-mark]")?.dataset.mark ?? "").split(" ").filter(Boolean);
byId("boxes").addEventListener("pointerover", (event) => viewer.light(marksOf(event.target), panel, panel));
byId("boxes").addEventListener("pointerleave", () => viewer.light([], panel));
byId("boxes").addEventListener("click", (event) => {
  const [mark] = marksOf(event.target);
  if (mark === undefined) return;
  const twin = panel.querySelector(`[data-mark~="${mark}"]`);
  (twin?.matches("[contenteditable],[tabindex]") ? twin : twin?.querySelector("[contenteditable]") ?? twin?.closest("[tabindex]"))?.focus();
});
panel.addEventListener("pointerover", (event) => viewer.light(marksOf(event.target), panel, byId("view")));
panel.addEventListener("pointerleave", () => viewer.light([], panel));
panel.addEventListener("focusin", (event) => viewer.light(marksOf(event.target), panel, byId("view")));

// ---- words for the visitor

function tell(said, problem) {
  byId("problem").replaceChildren();
  if (said) byId("status").textContent = said;
  if (!problem) return;
  if (problem.code === 401) return askForKey();
  byId("problem").append(element("p", {}, typeof problem === "string" ? problem : problem.message));
}

function askForKey() {
  const form = byId("key-form");
  if (!form.hidden) return;
  form.hidden = false;
  byId("key").focus();
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  service.useKey(byId("key").value.trim());
  byId("key-form").hidden = true;
  for (const entry of queue.entries) if (entry.problem?.code === 401) queue.again(entry);
});

// ---- ways to give files

const opens = (button, input) => {
  byId(button).addEventListener("click", () => byId(input).click());
  byId(input).addEventListener("change", () => {
    add(files.listed(byId(input).files));
    byId(input).value = "";
  });
};
opens("choose", "file");
opens("choose-folder", "folder");
opens("camera", "photo");
if (!("webkitdirectory" in byId("folder"))) byId("choose-folder").hidden = true;
byId("sample").addEventListener("click", async () => {
  const response = await fetch(service.address("page/sample.jpg")).catch(() => null);
  if (!response?.ok) return tell("", "The sample could not be fetched: the service does not answer.");
  add([{ file: new File([await response.blob()], "sample invoice.jpg", { type: "image/jpeg" }), name: "sample invoice.jpg" }]);
});
addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) add(files.listed(event.clipboardData.files));
});
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dragging"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragging"); });
addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  add(await files.dropped(event.dataTransfer));
});

byId("clear").addEventListener("click", () => {
  queue.clear();
  rows.clear();
  byId("queue").replaceChildren();
  selected = null;
  byId("work").hidden = true;
  document.body.classList.remove("started");
  tell("");
  status();
  byId("choose").focus();
});
byId("module").addEventListener("change", () => choose("more"));
byId("copy").addEventListener("click", async () => {
  const done = await copied(views.plainText(readNow(), view));
  byId("copy").textContent = done ? "Copied" : "Not allowed";
  setTimeout(() => { byId("copy").textContent = "Copy"; }, 2000);
});
addEventListener("click", (event) => { if (!byId("download").contains(event.target)) byId("download").open = false; });
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !byId("download").open) return;
  byId("download").open = false;
  byId("download").querySelector("summary").focus();
});

downloads.menu(
  () => ({ entry: selected, read: readNow() }),
  () => {
    const entries = queue.entries.filter((entry) => entry.state === "done" && (entry.read(mode()) ?? [...entry.reads.values()].at(-1)));
    const raw = !(mode() in MODES);
    return { entries, readOf: (entry) => entry.read(mode()) ?? [...entry.reads.values()].at(-1), forms: raw ? ["json"] : { table: ["xlsx", "csv"], form: ["xlsx", "json"], document: ["docx", "txt"] }[mode()] ?? ["txt", "docx"] };
  },
  tell,
);

try {
  const found = await service.about(() => { byId("status").textContent = "The models are still loading …"; });
  queue.modules = found.modules.map((module) => module.name);
  summaries = new Map(found.modules.map((module) => [module.name, module.summary]));
  queue.limits = found.limits ?? {};
  byId("limits").textContent = `Images and PDFs, up to ${files.size(queue.largest)} each.`;
  byId("served").textContent = `Served here: ${queue.modules.join(", ")}`;
  byId("status").textContent = "";
  showModes();
} catch (error) {
  tell("", error);
}
