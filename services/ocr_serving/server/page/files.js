// Files that a visitor chooses, drops or pastes, with those of folders inside; each is named, also one that cannot be read.

const SUFFIXES = /\.(png|jpe?g|jpe|jfif|bmp|dib|gif|webp|tiff?|pdf|jp2|j2k|avif|ppm|pgm|pbm|pnm)$/i;

/** Whether a file is of a kind that may be read; the service has the last word. */
export const isReadable = (file) => SUFFIXES.test(file.name) || /^(image\/|application\/pdf)/.test(file.type);

export const isPaged = (file) => /\.(pdf|tiff?)$/i.test(file.name) || /^(application\/pdf|image\/tiff)$/.test(file.type);

/** `{file, name}` of everything in a list of files; the name has the folders. */
export const listed = (files) => [...files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));

/** The same of what was dropped, folders opened. */
export async function dropped(transfer) {
  // Asked for at once: the list is empty after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return listed(transfer.files);
  return (await Promise.all(entries.map(opened))).flat();
}

async function opened(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve) => { entry.file(resolve, () => resolve(null)); });
    const name = entry.fullPath.replace(/^\//, "");
    return [file ? { file, name } : { file: new File([], entry.name), name, why: "The browser could not open this file." }];
  }
  const reader = entry.createReader(), inside = [];
  for (;;) {
    // A hundred at a time, until there are none.
    const some = await new Promise((resolve) => { reader.readEntries(resolve, () => resolve([])); });
    if (!some.length) break;
    inside.push(...some);
  }
  inside.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(inside.map(opened))).flat();
}

/** "48 MB", "1.2 MB", "310 KB". */
export function size(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} KB`;
  return bytes < 1e7 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e6)} MB`;
}

/** A name without folders and suffix. */
export const stem = (name) => name.replace(/^.*\//, "").replace(/\.[^.]+$/, "") || "document";
