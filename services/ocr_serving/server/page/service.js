// The calls of the service, and its failures in plain words.

let key = "";
export const useKey = (given) => { key = given; };
export const hasKey = () => Boolean(key);

// Below the page's own address, so that a proxy may serve it under a path.
export const address = (path) => new URL(path, document.baseURI).href;

const PATIENCE = 8;

/** A failure for the visitor: a sentence, what the service itself said, whether a key is needed. */
export class Problem extends Error {
  constructor(message, { said = "", code = 0 } = {}) {
    super(message);
    this.said = said;
    this.code = code;
  }
}

/** What is served here, and the limits; waits while the models load, saying so to `waiting`. */
export async function about(waiting) {
  for (;;) {
    const response = await fetch(address("modules")).catch(() => { throw unreachable(); });
    if (response.ok) {
      const found = await response.json();
      if (found.modules.length) return found;
    }
    waiting();
    await pause(1500);
  }
}

/** A page of a file as a picture, with the size in which its places are told, and how many pages there are. */
export async function picture(file, page, signal, waiting) {
  const kind = file.type.startsWith("image/") || file.type === "application/pdf" ? file.type : "application/octet-stream";
  const response = await asked(`pages/${page}`, { body: file, file, headers: { "Content-Type": kind } }, signal, waiting);
  const [width, height] = response.headers.get("X-OCR-Page-Size").split("x").map(Number);
  return { blob: await response.blob(), width, height, of: Number(response.headers.get("X-OCR-Pages")) };
}

/** Some pages of a file, "3" or "3-5", read by a module: the page tree, and what is to be said of them. */
export async function read(module, file, pages, signal, waiting) {
  const response = await asked(`predict/${module}?output=json`, form(file, { pages }), signal, waiting);
  return { tree: await response.json(), remarks: remarks(response) };
}

/** The answer of a module as it is. */
export async function answer(module, file, signal, waiting) {
  const response = await asked(`predict/${module}`, form(file), signal, waiting);
  return response.json();
}

/** A tree, perhaps corrected, as a file: its blob, and whether it is a ZIP. `file` is the one it was read from, or null. */
export async function written(tree, forms, file) {
  const response = await asked(`convert/${forms}`, form(file, { join_pages: true }, tree));
  return { blob: await response.blob(), isZip: response.headers.get("Content-Type") === "application/zip" };
}

/** A line for the shell that does the same. */
export function curl(module, name) {
  // In double quotes for curl, to which commas and semicolons mean something; in single ones for the shell.
  const quoted = name.replace(/[\\"]/g, "\\$&").replaceAll("'", "'\\''"), secret = key ? ' -H "Authorization: Bearer $OCR_SERVING_API_KEY"' : "";
  return `curl -sS${secret} -F 'file=@"${quoted}"' '${address(`predict/${module}`)}'`;
}

/* A request with a file as it is, arguments, and a tree that was read before. */
function form(file, values = {}, tree = null) {
  const body = new FormData();
  for (const [name, value] of Object.entries(values)) body.append(name, value);
  if (tree) body.append("document", new Blob([JSON.stringify(tree)], { type: "application/json" }), "document.json");
  if (file) body.append("file", file);
  return { body, file };
}

/* Whether the browser can still open a file; nothing of it is kept. */
const opens = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);
const gone = () => new Problem("The browser could not open this file. It may have been moved or changed since you chose it: choose it again.");
const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
const unreachable = () => new Problem("The service does not answer. It may have been stopped, or your connection is down: try again.");

function remarks(response) {
  const said = response.headers.get("X-OCR-Remarks");
  return said ? decodeURIComponent(said) : "";
}

async function asked(path, options, signal, waiting = () => {}) {
  for (let tried = 1; ; tried += 1) {
    const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
    const response = await fetch(address(path), { method: "POST", body: options.body, headers, signal }).catch(async (error) => {
      if (error.name === "AbortError") throw error;
      throw !options.file || await opens(options.file) ? unreachable() : gone();
    });
    if (response.ok) return response;
    const said = await response.json().then((body) => body.msg ?? "", () => "");
    const wait = Number(response.headers.get("Retry-After"));
    if (response.status !== 503 || !wait || tried >= PATIENCE) throw new Problem(inWords(response.status, said), { said, code: response.status });
    waiting(wait);
    await pause(wait * 1000);
    signal?.throwIfAborted();
  }
}

/** What a visitor reads of a failure; what the service said itself is shown below it. */
function inWords(code, said) {
  if (code === 401) return "This service asks for a key.";
  if (/needs a password/.test(said)) return "This PDF is locked with a password. Save a copy without the password and add that.";
  if (/cannot be opened/.test(said)) return "This PDF is damaged and cannot be opened.";
  if (/over the limit|max_pixels|too many|larger than/.test(said) || code === 413)
    return "This is too large for the service. Try a smaller picture, or fewer pages.";
  if (/cannot be decoded|is not an image/.test(said)) return "This file is not a picture or PDF that can be read here, or it is damaged.";
  if (/no page/.test(said)) return said;
  if (/shows no tables/.test(said)) return "No table was found, so that there is nothing to put into this format.";
  if (code === 503) return "The service has too much to do at the moment. Try again in a while.";
  if (code === 408) return "The file took too long to arrive. Try again on a better connection.";
  if (code >= 500) return "Something went wrong in the service. Try again; if it happens again, tell whoever runs it.";
  return said || `The service could not do that (HTTP ${code}).`;
}
