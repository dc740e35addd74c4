// The picture of the pattern as peer-cli paints it, pixel by pixel: a soft sky in the peer's colour, colour bars, a
// bouncing ball, a bar that fills every five seconds, a white square that flashes each second, and the strips.

import { draw, isFlash, stripRows } from "./stamp.js";

export const WIDTH = 640;
export const HEIGHT = 480;
export const FPS = 30;
/** Pictures until everything is where it was. */
const LOOP = 5 * FPS;
const TAU = 2 * Math.PI;
const SKY = (HEIGHT * 4) / 5;
const BARS = [[235, 235, 235], [225, 205, 40], [50, 195, 205], [60, 180, 75], [190, 70, 180], [205, 60, 50], [50, 80, 200]];
const BALL = [250, 160, 50];
const PROGRESS = pixel([245, 245, 245]);
const WHITE = 0xffffffff;
const PROGRESS_ROWS = [(HEIGHT * 31) / 40, SKY];
const FLASH_SIDE = HEIGHT / 5;

/** Paints the pictures of one peer, 0 to 255. */
export class Painter {
  #peer;
  #backdrop;
  #backdropPlanes = null;

  constructor(peer) {
    this.#peer = peer;
    this.#backdrop = backdrop(peer);
  }

  /** Makes `rgba`, a Uint8ClampedArray, the picture of this number at this time. Gives the rectangles that moved. */
  paint(rgba, index, unixMs) {
    const pixels = new Uint32Array(rgba.buffer, rgba.byteOffset, WIDTH * HEIGHT);
    pixels.set(this.#backdrop);
    const phase = (index % LOOP) / LOOP;
    const [top, bottom] = PROGRESS_ROWS;
    const done = Math.floor(phase * WIDTH);
    for (let y = top; y < bottom; y += 1) pixels.fill(PROGRESS, y * WIDTH, y * WIDTH + done);
    const moved = [[0, 0, WIDTH, stripRows(HEIGHT)], [0, top, done, bottom], ball(pixels, phase)];
    if (isFlash(FPS, index)) moved.push(flash(pixels));
    draw(rgba, WIDTH, HEIGHT, { peer: this.#peer, fps: FPS, index }, unixMs);
    return moved;
  }

  /** The same picture as I420 in the video range of BT.601: what moved is converted, the rest is known. */
  planes(rgba, moved) {
    const whole = [0, 0, WIDTH, HEIGHT];
    this.#backdropPlanes ??= convert(new Uint8Array(this.#backdrop.buffer), [whole], new Uint8Array((WIDTH * HEIGHT * 3) / 2));
    return convert(rgba, moved, this.#backdropPlanes.slice());
  }
}

/** One pixel of RGBA in memory, as little-endian machines see it; there are no others. */
function pixel([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function mix(from, to, part) {
  return Math.min(Math.max(Math.trunc(from + (to - from) * part), 0), 255);
}

/** Everything that does not move. */
function backdrop(peer) {
  const turns = peer * 0.618034;
  const top = [0, 1 / 3, 2 / 3].map((shift) => mix(40, 210, 0.5 + 0.5 * Math.cos(TAU * (turns + shift))));
  const pixels = new Uint32Array(WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      const fade = Math.min((y / SKY) * 0.8 + (x / WIDTH) * 0.2, 1);
      const sky = () => top.map((channel) => mix(channel, 235, fade));
      pixels[y * WIDTH + x] = pixel(y >= SKY ? BARS[Math.floor((x * BARS.length) / WIDTH)] : sky());
    }
  }
  return pixels;
}

function ball(pixels, phase) {
  const radius = HEIGHT / 10;
  const x0 = WIDTH / 2 + Math.sin(TAU * phase) * (WIDTH / 2 - radius - 2);
  const y0 = HEIGHT * 0.77 - radius - Math.abs(Math.sin(TAU * 2.5 * phase)) * HEIGHT * 0.5;
  const span = (centre, end) => [Math.trunc(Math.max(centre - radius, 0)), Math.min(Math.trunc(Math.max(centre + radius, 0)) + 1, end)];
  const [left, right] = span(x0, WIDTH);
  const [top, bottom] = span(y0, HEIGHT);
  for (let y = top; y < bottom; y += 1) {
    const dy = (y - y0) / radius;
    for (let x = left; x < right; x += 1) {
      const dx = (x - x0) / radius;
      if (dx * dx + dy * dy > 1) continue;
      const light = Math.min(Math.max(1.15 - Math.sqrt((dx + 0.4) ** 2 + (dy + 0.4) ** 2) * 0.6, 0), 1);
      const shade = BALL.map((channel) => mix(0, channel, light));
      pixels[y * WIDTH + x] = pixel(shade);
    }
  }
  return [left, top, right, bottom];
}

/** A square in the middle of the sky, a fifth of the height. */
function flash(pixels) {
  const top = (SKY - FLASH_SIDE) / 2;
  const left = (WIDTH - FLASH_SIDE) / 2;
  const [right, bottom] = [left + FLASH_SIDE, top + FLASH_SIDE];
  for (let y = top; y < bottom; y += 1) pixels.fill(WHITE, y * WIDTH + left, y * WIDTH + right);
  return [left, top, right, bottom];
}

/** Converts these rectangles of RGBA into the planes of I420 (ITU-R BT.601-7 section 2.5.1, 16-bit fixed point). */
function convert(rgba, rectangles, planes) {
  const u = WIDTH * HEIGHT;
  const v = u + u / 4;
  for (const [left, top, right, bottom] of rectangles) {
    for (let y = top & ~1; y < bottom; y += 2) {
      for (let x = left & ~1; x < right; x += 2) {
        let [red, green, blue] = [0, 0, 0];
        for (const at of [y * WIDTH + x, y * WIDTH + x + 1, (y + 1) * WIDTH + x, (y + 1) * WIDTH + x + 1]) {
          const [r, g, b] = [rgba[at * 4], rgba[at * 4 + 1], rgba[at * 4 + 2]];
          planes[at] = (16_839 * r + 33_059 * g + 6420 * b + (16 << 16) + (1 << 15)) >> 16;
          red += r;
          green += g;
          blue += b;
        }
        const half = (y / 2) * (WIDTH / 2) + x / 2;
        planes[u + half] = (28_800 * blue - 9719 * red - 19_081 * green + (128 << 18) + (1 << 17)) >> 18;
        planes[v + half] = (28_800 * red - 24_116 * green - 4684 * blue + (128 << 18) + (1 << 17)) >> 18;
      }
    }
  }
  return planes;
}
