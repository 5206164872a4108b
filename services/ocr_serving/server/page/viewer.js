// The picture of a page: shown whole, zoomed and moved; boxes over it that light up with what is written beside.

import { byId, element } from "./dom.js";

// Okabe and Ito's colours, which stay apart for colour-blind eyes, less yellow and black.
const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const LARGEST = 8, STEP = 1.25;

const view = byId("view"), sheet = byId("sheet"), image = byId("image"), svg = byId("boxes");
let size = [1, 1], zoom = 1;

/** Show a page: its picture's URL or "", its width and height in the pixels of the boxes. */
export function show(url, [width, height], name) {
  const isNew = image.getAttribute("src") !== url;
  if (url) {
    if (isNew) image.src = url;
  } else image.removeAttribute("src");
  image.alt = name;
  image.hidden = !url;
  size = [width || 1, height || 1];
  svg.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
  sheet.classList.toggle("blank", !url);
  if (isNew) {
    svg.replaceChildren();
    zoom = 1;
  }
  fit();
}

/** What is said where there is no picture, "" for nothing. */
export function excuse(text) {
  byId("no-picture").textContent = text;
  byId("no-picture").hidden = !text;
  sheet.hidden = Boolean(text);
}

/** Draw marks: points, id (which `data-mark` of the text names), kind, label, doubtful; links as pairs of marks. */
export function draw(marks, links = []) {
  const labels = [...new Set(marks.map((mark) => mark.label).filter(Boolean))];
  const colour = (label) => PALETTE[Math.max(0, labels.indexOf(label)) % PALETTE.length];
  const letters = Math.max(...size) / 75;
  svg.replaceChildren();
  // Regions lie below, so that the lines in them can be pointed at.
  for (const mark of [...marks].sort((a, b) => (b.kind === "region") - (a.kind === "region"))) {
    const group = element("g", { class: `${mark.kind}${mark.doubtful ? " doubtful" : ""}${mark.label ? " labelled" : ""}`, "data-mark": mark.id, colour: colour(mark.label) },
      element("polygon", { points: mark.points.map((point) => point.join(",")).join(" ") }));
    if (mark.label) {
      const [x, y] = mark.points[0];
      group.append(element("text", { x, y: Math.max(y - letters * .25, letters), "font-size": letters }, mark.label));
    }
    svg.append(group);
  }
  for (const [from, to] of links) arrow(from, to, letters);
  byId("legend").replaceChildren(...labels.map((label) => element("span", { class: "label", colour: colour(label) }, label)));
  return colour;
}

function arrow(from, to, length) {
  const sides = (points, axis) => { const at = points.map((point) => point[axis]); return [Math.min(...at), Math.max(...at)]; };
  // From side to side where two boxes are nearest, so that an arrow crosses no more text than it must.
  const [[x1, x2], [y1, y2]] = [0, 1].map((axis) => {
    const a = sides(from, axis), b = sides(to, axis), low = Math.max(a[0], b[0]), high = Math.min(a[1], b[1]);
    return low <= high ? [(low + high) / 2, (low + high) / 2] : a[1] < b[0] ? [high, low] : [low, high];
  });
  const angle = Math.atan2(y2 - y1, x2 - x1);
  svg.append(element("line", { class: "link", x1, y1, x2, y2 }));
  for (const turn of [2.7, -2.7])
    svg.append(element("line", { class: "link", x1: x2, y1: y2, x2: x2 + length * Math.cos(angle + turn), y2: y2 + length * Math.sin(angle + turn) }));
}

/** Light up what has one of these marks, in the picture and in `text`; `scrolled` is the pane that moves to it. */
export function light(marks, text, scrolled) {
  document.querySelectorAll(".hot").forEach((hot) => hot.classList.remove("hot"));
  for (const pane of [view, text]) {
    let first = true;
    for (const mark of marks) for (const twin of pane.querySelectorAll(`[data-mark~="${mark}"]`)) {
      twin.classList.add("hot");
      if (pane === scrolled && first) reveal(pane, twin);
      first = false;
    }
  }
}

function reveal(pane, twin) {
  // Only the pane moves, never the page.
  const box = twin.getBoundingClientRect(), seen = pane.getBoundingClientRect();
  if (box.top < seen.top || box.bottom > seen.bottom) pane.scrollTop += (box.top + box.bottom - seen.top - seen.bottom) / 2;
  if (box.left > seen.right || box.right < seen.left) pane.scrollLeft += (box.left + box.right - seen.left - seen.right) / 2;
}

/* The width at which the whole page is seen. */
function whole() {
  const [wide, high] = [view.clientWidth - 2, view.clientHeight - 2];
  return Math.max(40, Math.min(wide, high * size[0] / size[1]));
}

function fit() {
  const width = whole() * zoom;
  sheet.style.width = `${width}px`;
  sheet.style.height = `${width * size[1] / size[0]}px`;
  view.classList.toggle("movable", zoom > 1);
  byId("smaller").disabled = zoom <= 1;
  byId("larger").disabled = zoom >= LARGEST;
}

/* What lies under `at`, a place in the window, stays there. */
function zoomTo(wanted, at) {
  const before = sheet.getBoundingClientRect(), seen = view.getBoundingClientRect();
  const [x, y] = at ?? [seen.left + seen.width / 2, seen.top + seen.height / 2];
  const [across, down] = [(x - before.left) / before.width, (y - before.top) / before.height];
  zoom = Math.min(LARGEST, Math.max(1, wanted));
  fit();
  const after = sheet.getBoundingClientRect();
  view.scrollLeft += after.left + across * after.width - x;
  view.scrollTop += after.top + down * after.height - y;
}

byId("smaller").addEventListener("click", () => zoomTo(zoom / STEP));
byId("larger").addEventListener("click", () => zoomTo(zoom * STEP));
byId("fit").addEventListener("click", () => zoomTo(1));
new ResizeObserver(fit).observe(view);
image.addEventListener("load", fit);

view.addEventListener("keydown", (event) => {
  const wanted = { "+": zoom * STEP, "=": zoom * STEP, "-": zoom / STEP, 0: 1 }[event.key];
  if (wanted === undefined || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  zoomTo(wanted);
});
view.addEventListener("wheel", (event) => {
  // As maps do: with a key held down, or two fingers on a touchpad, which look the same.
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoomTo(zoom * Math.exp(-event.deltaY / 200), [event.clientX, event.clientY]);
}, { passive: false });
view.addEventListener("dblclick", (event) => zoomTo(zoom > 1 ? 1 : 2.5, [event.clientX, event.clientY]));

// One finger or the mouse moves the page, two fingers zoom.
const held = new Map();
let spread = 0;
view.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  held.set(event.pointerId, [event.clientX, event.clientY]);
  if (zoom > 1 || held.size > 1) view.setPointerCapture(event.pointerId);
  spread = 0;
});
view.addEventListener("pointermove", (event) => {
  const from = held.get(event.pointerId);
  if (!from) return;
  if (held.size === 1 && zoom > 1) {
    view.scrollLeft -= event.clientX - from[0];
    view.scrollTop -= event.clientY - from[1];
  }
  held.set(event.pointerId, [event.clientX, event.clientY]);
  if (held.size === 2) {
    const [[ax, ay], [bx, by]] = held.values(), now = Math.hypot(ax - bx, ay - by);
    if (spread) zoomTo(zoom * now / spread, [(ax + bx) / 2, (ay + by) / 2]);
    spread = now;
  }
});
for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, (event) => held.delete(event.pointerId));

byId("show-boxes").addEventListener("change", (event) => svg.classList.toggle("all", event.target.checked));
