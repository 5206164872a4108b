// A ZIP of files that are small or packed already (PKWARE's APPNOTE, 4.3): stored, names in UTF-8.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** A blob of `files`, each `{name, blob}`; a name that is there twice gets a number. */
export async function zipped(files) {
  const parts = [], directory = [], names = new Set();
  let offset = 0;
  for (const { name, blob } of files) {
    const bytes = new Uint8Array(await blob.arrayBuffer()), path = new TextEncoder().encode(unique(name, names));
    const about = header(path, bytes);
    parts.push(block(0x04034b50, about.slice(1)), path, bytes);
    directory.push(block(0x02014b50, about, [[0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), path);
    offset += 30 + path.length + bytes.length;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = block(0x06054b50, [[0, 2], [0, 2], [names.size, 2], [names.size, 2], [length, 4], [offset, 4], [0, 2]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/* The fields that both headers share, made-by first, which only the directory has: value and bytes of each. */
const header = (path, bytes) => [
  [20, 2], [20, 2], [0x800, 2], [0, 2], [0, 2], [0x21, 2], [crc32(bytes), 4], [bytes.length, 4], [bytes.length, 4], [path.length, 2], [0, 2],
];

function block(signature, ...fields) {
  const all = [[signature, 4], ...fields.flat()];
  const view = new DataView(new ArrayBuffer(all.reduce((sum, [, length]) => sum + length, 0)));
  let at = 0;
  for (const [value, length] of all) {
    if (length === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    at += length;
  }
  return new Uint8Array(view.buffer);
}

function unique(name, taken) {
  const [, start, end] = name.match(/^(.*?)(\.[^./]*)?$/);
  let found = name;
  for (let n = 2; taken.has(found); n += 1) found = `${start} (${n})${end ?? ""}`;
  taken.add(found);
  return found;
}
