// What a module answers as it is, for the nine names and modules of one's own: marks on the picture, and blocks of text.

/** What an entry of `results` says. One of no known shape is shown as JSON. */
export function readEntry(entry) {
  const found = { marks: [], blocks: [] };
  try {
    readInto(found, entry);
    return found;
  } catch {
    return { marks: [], blocks: [{ at: [], text: JSON.stringify(entry) }] };
  }
}

/* The shape decides, not the module's name, so that a user's renamed copy of a module is shown as the original is. */
function readInto(found, entry) {
  const mark = (points, more) => found.marks.push({ points, text: "", label: "", kind: "line", ...more }) - 1;
  const textOf = (item) => item.text ?? item.transcription;
  const place = (item) => {
    const points = item.text_region ?? item.points;
    return points ? mark(points, { label: item.pred ?? "" }) : null;
  };
  const line = (item) => {
    const at = place(item);
    const text = textOf(item) ?? (at === null ? `${item.angle}°` : found.marks[at].points.map((point) => point.map(Math.round).join(",")).join("  "));
    found.blocks.push({ at: at === null ? [] : [at], label: item.pred, text, sure: item.confidence });
  };
  const told = new Set();
  const lineOnce = (item) => {
    // A line between two regions is told in both.
    const id = JSON.stringify([item.text_region, item.text]);
    if (!told.has(id)) line(item);
    told.add(id);
  };
  const corners = ([x1, y1, x2, y2]) => [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
  const region = (box) => {
    const label = box.type ?? box.label, at = mark(corners(box.bbox), { label, kind: "region" });
    found.blocks.push({ at: [at], label, text: "", sure: box.score });
    if (Array.isArray(box.res)) box.res.forEach(lineOnce);
    else if (box.res) table(box.res.html, (box.res.cell_bbox ?? []).map((cell) => {
      const flat = cell.length === 8 ? cell : corners(cell).flat();
      return mark([0, 2, 4, 6].map((i) => [flat[i] + box.bbox[0], flat[i + 1] + box.bbox[1]]), { kind: "cell" });
    }));
    (box.res?.unmatched ?? []).forEach(lineOnce);
  };
  const table = (html, cells) => {
    // An inert document: nothing in it runs or loads. Only text and spans are taken over.
    const rows = [...new DOMParser().parseFromString(html, "text/html").querySelectorAll("tr")].map((row) =>
      [...row.querySelectorAll("td, th")].map((cell) => ({ text: cell.textContent, columns: cell.colSpan, rows: cell.rowSpan })));
    const all = rows.flat();
    if (all.length === cells.length) all.forEach((cell, n) => { cell.at = cells[n]; });
    found.blocks.push({ at: [], rows });
  };
  if (Array.isArray(entry)) entry.forEach(line);
  else if (entry.regions) {
    entry.regions.forEach(region);
    (entry.unassigned ?? []).forEach(lineOnce);
  }
  else if (entry.layout) entry.layout.forEach(region);
  else if (entry.ser_res) entry.ser_res.forEach(line);
  else if (entry.re_res) for (const pair of entry.re_res)
    found.blocks.push({ at: pair.map(place), text: pair.map(textOf).join(" → "), link: true });
  else if (entry.html) table(entry.html, []);
  else throw new TypeError("no known shape");
}

/** The text of blocks, to be copied. */
export const plain = (blocks) => blocks
  .map((block) => block.rows ? block.rows.map((row) => row.map((cell) => cell.text).join("\t")).join("\n") : block.text)
  .filter(Boolean).join("\n");
