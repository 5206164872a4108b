// The page tree that the service answers: what is in it, and what a correction changes. Pure, but for the tree that is corrected.

/** Words that are read with less confidence are shown as doubtful. */
export const DOUBTFUL = 0.8;

/** One document of the pages that were read one by one. */
export function joined(title, trees) {
  return { version: 1, title, pages: trees.flatMap((tree) => tree.pages), fields: trees.flatMap((tree) => tree.fields) };
}

/** What of a block has lines of its own: the block, its items or its cells. */
export const holders = (block) => block.kind === "table" ? block.cells : block.kind === "list" ? block.items : [block];

export const linesOf = (page) => page.blocks.flatMap((block) => holders(block).flatMap((holder) => holder.lines));

export const tablesOf = (tree) => tree.pages.flatMap((page) => page.blocks.filter((block) => block.kind === "table"));

export const isDoubtful = (word) => word.source === "ocr" && word.confidence < DOUBTFUL && /[\p{L}\p{N}]/u.test(word.text);

/** The corners of a box. */
export const corners = ([x1, y1, x2, y2]) => [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];

/** A line's text as words and what is between them; the words of a line that was corrected are sure. */
export function pieces(line) {
  const found = [];
  let at = 0;
  for (const word of line.words) {
    const start = line.text.indexOf(word.text, at);
    if (start < 0) return [{ text: line.text }];
    if (start > at) found.push({ text: line.text.slice(at, start) });
    found.push({ text: word.text, word });
    at = start + word.text.length;
  }
  if (at < line.text.length || !found.length) found.push({ text: line.text.slice(at) });
  return found;
}

/** The lines of a block, item or cell by the rows they stand on: lines side by side are one row, as where a table has no rules. */
export function rowsOfLines(lines) {
  const rows = [];
  let before = null;
  for (const line of lines) {
    const y = line.quad.map((point) => point[1]), x = line.quad.map((point) => point[0]);
    const now = { top: Math.min(...y), bottom: Math.max(...y), left: Math.min(...x), right: Math.max(...x) };
    const shared = before && Math.min(before.bottom, now.bottom) - Math.max(before.top, now.top);
    const isBeside = before && shared > 0.6 * Math.min(before.bottom - before.top, now.bottom - now.top) && now.left >= before.right - 2;
    if (isBeside) rows.at(-1).push(line);
    else rows.push([line]);
    before = now;
  }
  return rows;
}

/** The text of a block, as it stands in what is copied. */
export function textOf(block) {
  if (block.kind === "list") return block.items.map((item) => `${item.marker} ${item.text}`.trim()).join("\n");
  if (block.kind === "field") return `${block.question}\t${block.answer}`;
  if (block.kind === "table") return rowsOf(block).map((row) => row.map((cell) => cell.text).join("\t")).join("\n");
  return block.text;
}

export function rowsOf(table) {
  const rows = Array.from({ length: table.rows }, () => []);
  for (const cell of table.cells) rows[cell.row].push(cell);
  return rows;
}

/** A line gets another text, and the block, item or cell that it stands in follows. */
export function correctLine(holder, line, text) {
  const before = line.text;
  if (text === before) return false;
  line.text = text;
  line.words = [];
  line.confidence = 1;
  if (holder.kind === "field") {
    for (const side of ["question", "answer"]) if (holder[side] === before) holder[side] = text;
    return true;
  }
  const [old, now] = [before, text].map((said) => withoutMarker(holder, said));
  const at = holder.text.indexOf(old);
  // Words that were parted at a line's end stand joined in the text; then it is made anew of its lines.
  holder.text = at < 0 ? withoutMarker(holder, holder.lines.map((one) => one.text).join(" "))
    : holder.text.slice(0, at) + now + holder.text.slice(at + old.length);
  return true;
}

/** What a list's item says of what its line says. */
const withoutMarker = (holder, said) => holder.marker && said.startsWith(holder.marker) ? said.slice(holder.marker.length).trimStart() : said;

/** A block, item or cell gets another text, and its lines, which a searchable PDF shows, follow: what changed goes to the line it was in. */
export function correctText(holder, text) {
  if (text === holder.text) return false;
  holder.text = text;
  const { lines } = holder;
  if (!lines.length) return true;
  const before = lines.flatMap((line, n) => line.text.split(/\s+/).filter(Boolean).map((word) => ({ word, n })));
  const hasMarker = holder.marker && before[0]?.word === holder.marker;
  const after = `${hasMarker ? `${holder.marker} ` : ""}${text}`.split(/\s+/).filter(Boolean);
  let start = 0, end = 0;
  while (start < Math.min(before.length, after.length) && before[start].word === after[start]) start += 1;
  while (end < Math.min(before.length, after.length) - start && before.at(-1 - end).word === after.at(-1 - end)) end += 1;
  const home = before[Math.min(start, before.length - 1)]?.n ?? 0;
  const words = lines.map(() => []);
  for (const { word, n } of before.slice(0, start)) words[n].push(word);
  words[home].push(...after.slice(start, after.length - end));
  for (const { word, n } of before.slice(before.length - end)) words[n].push(word);
  lines.forEach((line, n) => {
    const said = words[n].join(" ");
    if (said !== line.text.split(/\s+/).filter(Boolean).join(" ")) Object.assign(line, { text: said, words: [], confidence: 1 });
  });
  return true;
}

/** A question or an answer gets another text, in the form's fields and in the line that says it. */
export function correctField(tree, pair, side, text) {
  const before = pair[side];
  if (text === before) return false;
  pair[side] = text;
  const page = tree.pages.find((one) => one.number === pair.page);
  for (const block of page?.blocks ?? []) for (const holder of holders(block)) for (const line of holder.lines)
    if (line.text === before && inside(line, pair[`${side}_box`])) correctLine(holder, line, text);
  return true;
}

function inside(line, [x1, y1, x2, y2]) {
  const [x, y] = [0, 1].map((axis) => line.quad.reduce((sum, point) => sum + point[axis], 0) / 4);
  return x >= x1 && x <= x2 && y >= y1 && y <= y2;
}

/** The tree as it is sent to be written: places and words only where the format shows them, in few digits. */
export function toSend(tree, needsPlaces) {
  const short = (value) => Math.round(value * 10) / 10;
  const part = (holder) => ({
    ...holder,
    lines: needsPlaces ? holder.lines.map((line) => ({ ...line, quad: line.quad.map((point) => point.map(short)), words: [] })) : [],
  });
  const block = (given) => {
    if (given.kind === "table") return { ...given, cells: given.cells.map(part) };
    if (given.kind === "list") return { ...given, items: given.items.map(part) };
    return part(given);
  };
  return { ...tree, pages: tree.pages.map((page) => ({ ...page, blocks: page.blocks.map(block) })) };
}
