// Strips of black and white cells along the top of a picture, as peer-cli draws them: who drew it and which picture it
// is; below that, in pictures drawn live, when.
//
//   | opening: 4 | body: 32 | CRC-8 of the body | closing: 4 |      48 cells, most significant bit first
//   stamp: peer 8 bits, fps 6 bits, index 18 bits; clock: the low 32 bits of the milliseconds since 1970

const CELLS = 48;
const STAMP = { place: 0, opening: 0b1010, closing: 0b0101 };
const CLOCK = { place: 1, opening: 0b1001, closing: 0b0110 };
/** Numbers that a stamp can count. */
const INDEXES = 2 ** 18;
/** Between the darkest and the brightest cell, of 219 in a perfect picture. */
const LEAST_CONTRAST = 60;
const MOST_FPS = 60;

/** After how many pictures the numbers begin again: the most whole loops of five seconds that the stamp can count. */
export function liveFrames(fps) {
  return INDEXES - (INDEXES % (5 * fps));
}

/** Whether the picture of this number flashes: the first tenth of every second. */
export function isFlash(fps, index) {
  return index % fps < Math.max(Math.floor(fps / 10), 1);
}

/** Draws both strips into RGBA pixels. `unixMs`: the time of the picture. */
export function draw(rgba, width, height, { peer, fps, index }, unixMs) {
  const body = ((peer << 24) | (fps << 18) | index % INDEXES) >>> 0;
  drawStrip(STAMP, body, rgba, width, height);
  drawStrip(CLOCK, unixMs % 2 ** 32 >>> 0, rgba, width, height);
}

/** How many rows at the top of a picture of this height the strips take. */
export function stripRows(height) {
  return 2 * rowsOf(height);
}

/**
 * Reads the strips from RGBA pixels that begin with the top row of a picture of that size; only `stripRows` rows are
 * looked at. `{peer, fps, index, unixMs}`, the last one null where there is no clock; null when there is no stamp.
 */
export function read(rgba, width, height) {
  const body = readStrip(STAMP, rgba, width, height);
  if (body === null) return null;
  const fps = (body >>> 18) & 0x3f;
  if (fps < 1 || fps > MOST_FPS) return null;
  return { peer: body >>> 24, fps, index: body & (INDEXES - 1), unixMs: readStrip(CLOCK, rgba, width, height) };
}

function rowsOf(height) {
  return Math.max(Math.floor(height / 15), 2);
}

function bitsOf({ opening, closing }, body) {
  const bits = (value, count) => Array.from({ length: count }, (_, at) => (value >>> (count - 1 - at)) & 1);
  return [...bits(opening, 4), ...bits(body, 32), ...bits(crc8(body), 8), ...bits(closing, 4)];
}

function drawStrip(strip, body, rgba, width, height) {
  const bits = bitsOf(strip, body);
  const rows = rowsOf(height);
  const start = rows * strip.place * width * 4;
  const pixels = new Uint32Array(rgba.buffer, rgba.byteOffset + start, width * rows);
  for (let x = 0; x < width; x += 1) pixels[x] = bits[Math.floor((x * CELLS) / width)] === 1 ? 0xffffffff : 0xff000000;
  for (let row = 1; row < rows; row += 1) pixels.copyWithin(row * width, 0, width);
}

function readStrip(strip, rgba, width, height) {
  const rows = rowsOf(height);
  const [top, bottom] = innerHalf(rows * strip.place, rows * (strip.place + 1));
  if (width < 2 * CELLS || bottom * width * 4 > rgba.length) return null;
  const levels = [];
  for (let cell = 0; cell < CELLS; cell += 1) {
    const [left, right] = innerHalf(Math.ceil((cell * width) / CELLS), Math.ceil(((cell + 1) * width) / CELLS));
    let sum = 0;
    for (let y = top; y < bottom; y += 1) {
      // Green alone tells black from white.
      for (let at = (y * width + left) * 4 + 1; at < (y * width + right) * 4; at += 4) sum += rgba[at];
    }
    levels.push(sum / ((right - left) * (bottom - top)));
  }
  const darkest = Math.min(...levels);
  const brightest = Math.max(...levels);
  if (brightest - darkest < LEAST_CONTRAST) return null;
  const bits = levels.map((level) => (level > (darkest + brightest) / 2 ? 1 : 0));
  const body = bits.slice(4, 36).reduce((value, bit) => (value << 1) | bit, 0) >>> 0;
  return bitsOf(strip, body).every((bit, at) => bit === bits[at]) ? body : null;
}

/** The middle of a cell or a row of cells; its edges are smeared by filters. */
function innerHalf(start, end) {
  const margin = Math.floor((end - start) / 4);
  return [start + margin, Math.max(end - margin, start + margin + 1)];
}

/** CRC-8 with polynomial 0x07. */
function crc8(body) {
  let crc = 0xff;
  for (const shift of [24, 16, 8, 0]) {
    crc ^= (body >>> shift) & 0xff;
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ (crc & 0x80 ? 0x07 : 0)) & 0xff;
  }
  return crc;
}
