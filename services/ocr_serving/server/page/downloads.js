// What was read, with its corrections, as files.

import { byId, element, save } from "./dom.js";
import { stem } from "./files.js";
import * as service from "./service.js";
import { toSend } from "./tree.js";
import { zipped } from "./zip.js";

/** Formats by what they are called in a request: their name, suffix, and whether they show places, or the file itself. */
export const FORMATS = {
  docx: { name: "Word", suffix: ".docx", needsPlaces: true, needsFile: "figures" },
  xlsx: { name: "Excel", suffix: ".xlsx" },
  pdf: { name: "Searchable PDF", suffix: ".pdf", needsPlaces: true, needsFile: "always" },
  txt: { name: "Plain text", suffix: ".txt" },
  markdown: { name: "Markdown", suffix: ".md", needsFile: "figures" },
  html: { name: "Web page", suffix: ".html" },
  csv: { name: "Tables as CSV", suffix: ".csv" },
  json: { name: "JSON", suffix: ".json" },
  hocr: { name: "hOCR", suffix: ".hocr", needsPlaces: true },
  alto: { name: "ALTO XML", suffix: ".alto.xml", needsPlaces: true },
};

/** One entry in a format: name and blob. */
async function written(entry, read, form) {
  const name = stem(entry.name), about = FORMATS[form];
  if (read.answer || form === "json") return { name: `${name}.json`, blob: new Blob([JSON.stringify(read.answer ?? read.tree, null, 2)], { type: "application/json" }) };
  const shows = about.needsFile === "always" || (about.needsFile && read.tree.pages.some((page) => page.blocks.some((block) => block.kind === "figure")));
  const { blob, isZip } = await service.written(toSend(read.tree, about.needsPlaces), form, shows ? entry.file : null);
  return { name: `${name}${isZip ? `-${form}.zip` : about.suffix}`, blob };
}

/** Several entries, or formats, in one ZIP; what could not be written is named in it. */
async function together(entries, readOf, forms) {
  const made = [], lost = [];
  for (const entry of entries) for (const form of forms) {
    const folder = entry.name.includes("/") ? entry.name.replace(/[^/]*$/, "") : "";
    try {
      const { name, blob } = await written(entry, readOf(entry), form);
      made.push({ name: `${folder}${name}`, blob });
    } catch (error) {
      if (error.code === 401 || !error.code) throw error;
      // A page without tables has no CSV: that is no loss.
      if (!/no table/i.test(error.message)) lost.push(`${entry.name}, ${FORMATS[form].name}: ${error.message}`);
    }
  }
  if (lost.length) made.push({ name: "NOT WRITTEN.txt", blob: new Blob([`${lost.join("\n")}\n`]) });
  return zipped(made);
}

/** Fill the menu. `current` gives entry and read, `done` all entries that were read, `told` is given what is to be said. */
export function menu(current, done, told) {
  const working = async (button, what, work) => {
    byId("download").open = false;
    told(`Writing ${what} …`);
    button.disabled = true;
    try {
      await work();
      told(`${what[0].toUpperCase()}${what.slice(1)} is in your downloads.`);
    } catch (error) {
      told("", error);
    }
    button.disabled = false;
  };
  const item = (label, attributes, work) => element("button", { type: "button", ...attributes, onclick: (event) => work(event.currentTarget) }, label);
  byId("formats").replaceChildren(
    ...Object.entries(FORMATS).map(([form, { name, suffix }]) => item(name, { "data-form": form }, (button) => {
      const { entry, read } = current();
      return working(button, `${stem(entry.name)}${suffix}`, async () => {
        const file = await written(entry, read, form);
        save(file.blob, file.name);
      });
    })),
    item("All formats in a ZIP", { "data-form": "zip", class: "apart" }, (button) => {
      const { entry, read } = current();
      return working(button, `${stem(entry.name)}.zip`, async () =>
        save(await together([entry], () => read, Object.keys(FORMATS)), `${stem(entry.name)}.zip`));
    }),
  );
  byId("all").addEventListener("click", () => working(byId("all"), "ocr.zip", async () => {
    const { entries, readOf, forms } = done();
    save(await together(entries, readOf, forms), "ocr.zip");
  }));
}
