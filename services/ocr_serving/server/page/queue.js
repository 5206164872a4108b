// The files that are read one after the other, page by page; what became of each.

import * as files from "./files.js";
import * as service from "./service.js";
import * as tree from "./tree.js";

const AT_ONCE = 4e6;
/* Bytes of a file from which on several pages are asked for in one request, so that it is not sent for each of them. */

/** What can be read here, by the modules that are served: the modules of each, the best first. */
export const MODES = {
  text: { name: "Text", modules: ["ocr_system", "structure_system"], says: "Reads every line, in the order you would read it." },
  document: { name: "Document", modules: ["structure_system"], says: "Finds headings, paragraphs, lists, tables and pictures, ready for Word." },
  table: { name: "Table", modules: ["structure_system", "structure_table"], says: "Finds tables, ready for Excel." },
  form: { name: "Form", modules: ["kie_ser_re"], says: "Finds the questions of a form and what is filled in." },
};

export class Entry {
  static last = 0;

  constructor({ file, name, why = "" }) {
    Entry.last += 1;
    Object.assign(this, { id: Entry.last, file, name, why, pages: [], state: why ? "skipped" : "waiting", said: "", reads: new Map(), corrected: false });
  }

  /** What was read for a mode, or undefined. */
  read(mode) { return this.reads.get(mode); }

  forget() { for (const page of this.pages) URL.revokeObjectURL(page.url); }
}

/** Reads entries in a row. `told` is called with the entry whenever something of it changed. */
export class Queue {
  constructor(told) {
    Object.assign(this, { entries: [], told, running: null, limits: {}, modules: [], mode: "" });
  }

  add(found) {
    const added = found.map((one) => new Entry(this.refused(one)));
    this.entries.push(...added);
    added.forEach((entry) => this.told(entry));
    this.go();
    return added;
  }

  /* The same with the reason why it is not read, if there is one. */
  refused(one) {
    if (one.why) return one;
    if (!files.isReadable(one.file)) return { ...one, why: "Not a picture or PDF, so it is left out." };
    if (!one.file.size) return { ...one, why: "This file is empty." };
    if (one.file.size > this.largest) return { ...one, why: `This file has ${files.size(one.file.size)}; up to ${files.size(this.largest)} are taken.` };
    return one;
  }

  /** Bytes of a file that fit into a request, beside its other parts. */
  get largest() { return (this.limits.max_body_mb ?? 64) * 2 ** 20 - 4096; }

  /** The module for a mode here, "" where there is none. */
  moduleFor(mode) {
    if (!(mode in MODES)) return this.modules.includes(mode) ? mode : "";
    return MODES[mode].modules.find((name) => this.modules.includes(name)) ?? "";
  }

  /** Read an entry again, or for another mode. */
  again(entry) {
    if (entry === this.running?.entry) this.running.stop.abort();
    Object.assign(entry, { state: "waiting", said: "", why: "" });
    this.told(entry);
    this.go();
  }

  cancel(entry) {
    if (entry === this.running?.entry) this.running.stop.abort();
    if (entry.state === "waiting" || entry.state === "reading") Object.assign(entry, { state: "cancelled", said: "" });
    this.told(entry);
  }

  clear() {
    this.running?.stop.abort();
    this.entries.forEach((entry) => entry.forget());
    this.entries = [];
  }

  async go() {
    if (this.running) return;
    const entry = this.entries.find((one) => one.state === "waiting");
    if (!entry || !this.mode) return;
    const running = this.running = { entry, stop: new AbortController(), mode: this.mode };
    try {
      await this.take(entry, running);
      if (entry.state === "reading") entry.state = "done";
    } catch (error) {
      // One that was put back into the row, or cancelled, says so already.
      if (!running.stop.signal.aborted) Object.assign(entry, { state: "failed", why: error.message, problem: error });
    }
    this.running = null;
    entry.said = "";
    this.told(entry);
    if (entry.problem?.code === 401 && entry.state === "failed") return;
    this.go();
  }

  async take(entry, { stop: { signal }, mode }) {
    const module = this.moduleFor(mode), started = performance.now();
    const say = (said) => { if (!signal.aborted) { entry.said = said; this.told(entry); } };
    const waiting = (seconds) => say(`The service is busy; trying again in ${seconds} s`);
    Object.assign(entry, { state: "reading", problem: null });
    say("Reading …");
    await this.picture(entry, 1, signal, waiting);
    if (!(mode in MODES)) {
      const answer = await service.answer(module, entry.file, signal, waiting);
      entry.reads.set(mode, { answer, module, curl: service.curl(module, entry.file.name), remarks: [answer.msg].filter(Boolean), seconds: since(started) });
      for (let n = 2; n <= Math.min(entry.count, answer.results.length); n += 1) await this.picture(entry, n, signal, waiting);
      return;
    }
    const trees = [], remarks = [], at_once = Math.max(1, Math.floor(entry.file.size / AT_ONCE));
    const keep = (last) => {
      const read = { tree: tree.joined(files.stem(entry.name), trees), module, remarks: [...remarks], seconds: since(started), isWhole: last };
      entry.reads.set(mode, read);
      this.told(entry);
    };
    for (let first = 1; first <= entry.count; first += at_once) {
      const last = Math.min(entry.count, first + at_once - 1);
      if (entry.count > 1) say(first === last ? `Reading page ${first} of ${entry.count} …` : `Reading pages ${first} to ${last} of ${entry.count} …`);
      for (let n = first; n <= last; n += 1) Object.assign(entry.pages[n - 1], { state: "reading" });
      const [found] = await Promise.all([
        this.readPages(entry, mode, module, first, last, signal, waiting),
        // The next picture comes meanwhile.
        ...range(first, Math.min(entry.count, last + 1)).map((n) => this.picture(entry, n, signal, waiting)),
      ]);
      trees.push(found.tree);
      if (found.remarks) remarks.push(plainRemark(found.remarks, entry));
      for (let n = first; n <= last; n += 1) entry.pages[n - 1].state = found.lost ? "failed" : "done";
      keep(last === entry.count);
    }
  }

  /* Some pages; one that cannot be read costs itself alone, as long as there are others. */
  async readPages(entry, mode, module, first, last, signal, waiting) {
    const pages = first === last ? `${first}` : `${first}-${last}`;
    try {
      const found = await service.read(module, entry.file, pages, signal, waiting);
      if (mode !== "table" || module === "structure_table" || tree.tablesOf(found.tree).length || !this.modules.includes("structure_table")) return found;
      const alone = await service.read("structure_table", entry.file, pages, signal, waiting).catch(() => found);
      return tree.tablesOf(alone.tree).length ? { ...alone, remarks: `${alone.remarks} The whole picture was read as one table.`.trim() } : found;
    } catch (error) {
      if (signal.aborted || entry.count === 1 || [401, 0].includes(error.code ?? 0)) throw error;
      const lost = range(first, last).map((number) => ({ number, width: 1, height: 1, dpi: null, blocks: [], remarks: [error.message] }));
      return { tree: { pages: lost, fields: [] }, remarks: `Page ${pages} could not be read: ${error.message}`, lost: true };
    }
  }

  /* The picture of a page, shown at once where the browser can draw the file itself. */
  async picture(entry, number, signal, waiting) {
    const page = entry.pages[number - 1] ??= { number, url: "", size: [1, 1], state: "waiting" };
    if (page.url) return;
    if (!files.isPaged(entry.file)) {
      const url = URL.createObjectURL(entry.file), image = new Image();
      image.src = url;
      if (await image.decode().then(() => true, () => false)) {
        Object.assign(page, { url, size: [image.naturalWidth, image.naturalHeight] });
        entry.count = 1;
        this.told(entry);
        return;
      }
      URL.revokeObjectURL(url);
    }
    try {
      const found = await service.picture(entry.file, number, signal, waiting);
      Object.assign(page, { url: URL.createObjectURL(found.blob), size: [found.width, found.height] });
      entry.count = found.of;
      for (let n = entry.pages.length; n < found.of; n += 1) entry.pages.push({ number: n + 1, url: "", size: page.size, state: "waiting" });
    } catch (error) {
      // A page that cannot be drawn may be read all the same; a file of which nothing can be, may not.
      if (number === 1 || signal.aborted) throw error;
      page.state = "failed";
    }
    this.told(entry);
  }
}

const since = (started) => (performance.now() - started) / 1000;
const range = (first, last) => Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n);

/* The service names files by their place in the request. */
const plainRemark = (said, entry) => said.replaceAll("images[0]", entry.name.replace(/^.*\//, "")).replace(/; /g, ". ");
