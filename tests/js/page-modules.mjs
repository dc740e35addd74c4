// The call page's modules that need no page: the STOMP client, the stamp, the languages.
//   node page-modules.mjs
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

const folder = new URL("../../server/src/page/", import.meta.url);
/** A module without imports of its own; its folder says nowhere that it holds modules. */
const load = async (name) => import(`data:text/javascript,${encodeURIComponent(await readFile(new URL(name, folder), "utf8"))}`);

const { Decoder, encode } = await load("stomp.js");
const { draw, liveFrames, isFlash, read, stripRows } = await load("stamp.js");
const { ENGLISH } = await load("en.js");
const { KOREAN } = await load("ko.js");

const frame = (text) => new Decoder().push(text);

const TESTS = {
  "a frame reads back as it was written": () => {
    const headers = { destination: "/app/rooms/a:b/signal", odd: "back\\slash\r\nline" };
    for (const body of ["", "{}", '{"name":"전화 ☎"}']) {
      const [{ command, headers: got, body: text }] = frame(encode("SEND", headers, body));
      const { "content-length": length, ...rest } = got;
      assert.deepEqual([command, rest, text], ["SEND", headers, body]);
      assert.equal(length, body === "" ? undefined : String(new TextEncoder().encode(body).length));
    }
  },
  "CONNECT is written without escapes": () => {
    assert.equal(encode("CONNECT", { host: "a:1" }), "CONNECT\nhost:a:1\n\n\0");
  },
  "frames come whole however they were cut": () => {
    const text = `\n\r\n${encode("MESSAGE", { subscription: "s", "message-id": "1" }, "한 줄")}\nRECEIPT\r\nreceipt-id:bye\r\n\r\n\0`;
    const bytes = new TextEncoder().encode(text);
    for (let size = 1; size <= bytes.length; size += 1) {
      const decoder = new Decoder();
      const frames = [];
      for (let at = 0; at < bytes.length; at += size) frames.push(...decoder.push(bytes.slice(at, at + size)));
      assert.deepEqual(frames.map(({ command, body }) => [command, body]), [["MESSAGE", "한 줄"], ["RECEIPT", ""]], `cut at ${size}`);
    }
  },
  "content-length counts, and a NUL within it is text": () => {
    assert.equal(frame("MESSAGE\ncontent-length:3\n\na\0b\0")[0].body, "a\0b");
    assert.throws(() => frame("MESSAGE\ncontent-length:1\n\nab\0"), /content-length/);
  },
  "of a repeated header the first one counts": () => {
    assert.equal(frame("MESSAGE\nfoo:1\nfoo:2\n\n\0")[0].headers.foo, "1");
    assert.equal(frame("MESSAGE\nconstructor:1\n\n\0")[0].headers.constructor, "1");
  },
  "what is not STOMP is refused": () => {
    for (const bad of ["MESSAGE\nno colon\n\n\0", "MESSAGE\na:\\t\n\n\0", "MESSAGE\na:\\\n\n\0"]) assert.throws(() => frame(bad), bad);
    assert.throws(() => frame("x".repeat(2 << 20)), /without an end/);
  },
  "a stamp reads back at every number and size": () => {
    for (const [width, height] of [[640, 480], [320, 240], [96, 96], [1280, 720]]) {
      for (const [peer, fps, index, unixMs] of [[0, 1, 0, 0], [255, 60, 2 ** 18 - 1, 2 ** 32 - 1], [7, 30, 149, 1_770_000_000_123]]) {
        const rgba = new Uint8ClampedArray(width * height * 4).fill(128);
        draw(rgba, width, height, { peer, fps, index }, unixMs);
        assert.deepEqual(read(rgba, width, height), { peer, fps, index, unixMs: unixMs % 2 ** 32 });
        rgba.fill(128, 0, width * stripRows(height) * 2);
        assert.equal(read(rgba, width, height), null);
      }
    }
  },
  "a stamp is drawn cell by cell as peer-cli draws it": () => {
    const rgba = new Uint8ClampedArray(96 * 30 * 4);
    draw(rgba, 96, 30, { peer: 3, fps: 30, index: 5 }, 0);
    const cells = Array.from({ length: 48 }, (_, cell) => (rgba[cell * 8] === 255 ? 1 : 0)).join("");
    // Opening, peer, rate, index, CRC-8 (polynomial 0x07, start 0xff) of 0x03780005, closing.
    assert.equal(cells, `1010${"00000011"}${"011110"}${"000000000000000101"}${crc(0x03780005)}0101`);
  },
  "numbers begin again after whole loops, and a second flashes for a tenth": () => {
    assert.deepEqual([liveFrames(30), liveFrames(25)], [262_050, 262_125]);
    assert.deepEqual([0, 1, 2, 3, 29, 30].map((index) => isFlash(30, index)), [true, true, true, false, false, true]);
    assert.deepEqual([0, 1].map((index) => isFlash(5, index)), [true, false]);
  },
  "both languages say the same things": () => {
    const keys = (part, path = "") =>
      Object.entries(part).flatMap(([name, text]) => (typeof text === "string" ? [path + name] : keys(text, `${path}${name}.`)));
    assert.deepEqual(keys(KOREAN).sort(), keys(ENGLISH).sort());
    const holes = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
    const at = (part, path) => path.split(".").reduce((found, name) => found[name], part);
    for (const key of keys(ENGLISH)) assert.deepEqual(holes(at(KOREAN, key)), holes(at(ENGLISH, key)), key);
  },
  "every text that is asked for is there": async () => {
    const files = ["index.html", "main.js", "ui.js"];
    const texts = await Promise.all(files.map((name) => readFile(new URL(name, folder), "utf8")));
    const asked = texts.flatMap((text) => [...text.matchAll(/(?:data-t(?:-\w+)?="|\bt\(")([\w.-]+)"/g)].map(([, key]) => key));
    for (const key of asked) {
      assert.equal(typeof key.split(".").reduce((found, name) => found?.[name], ENGLISH), "string", key);
    }
    assert.ok(asked.length > 40);
  },
};

/** Bit by bit over the whole message, another way than the page's. */
function crc(body) {
  let register = 0xff;
  for (let bit = 31; bit >= 0; bit -= 1) {
    const out = (register >> 7) ^ ((body >>> bit) & 1);
    register = ((register << 1) & 0xff) ^ (out === 1 ? 0x07 : 0);
  }
  return register.toString(2).padStart(8, "0");
}

let faults = 0;
for (const [name, test] of Object.entries(TESTS)) {
  try {
    await test();
    console.log(`ok - ${name}`);
  } catch (error) {
    faults += 1;
    console.log(`not ok - ${name}: ${error.stack}`);
  }
}
console.log(`1..${Object.keys(TESTS).length}`);
process.exit(faults === 0 ? 0 : 1);
