// Small helpers for the document.

const SVG = new Set(["svg", "g", "polygon", "text", "line"]);

export const byId = (id) => document.getElementById(id);

/** An element with attributes, or listeners where the name begins with "on", and children. */
export function element(name, attributes = {}, ...children) {
  const made = SVG.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "colour") made.style.setProperty("--c", value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

/** "1 page", "2 pages". */
export const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** Put `text` on the clipboard; whether that was allowed. */
export async function copied(text) {
  // navigator.clipboard exists only over HTTPS or on localhost.
  if (await navigator.clipboard?.writeText(text).then(() => true, () => false)) return true;
  const area = element("textarea", { class: "unseen" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** Hand a blob to the visitor as a file. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob), link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
