// Drives a page that was written for a Spring application, index.html and app.js beside this, in Chromium. It is served
// from an origin of its own, which the first line tells: {"number": 0, "origin": "http://127.0.0.1:40000"}.
//
//   node drive.mjs [--limit SECONDS]
//
// Each line of standard input is a step of words; the first one names a page, a letter. Each is answered by one line of JSON,
// {"number", "step", ...}, or {"number", "step", "error", "snapshot"}, which ends nothing.
//   a open QUERY         such as server=http://127.0.0.1:8080&room=r1; app.js says at its top what there is
//   a join   a leave     presses that button
//   a until EXPRESSION   until the expression is true; `s` in it is what `see` below gives
//   a say                prints that as "snapshot"
//   a close
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { launchChromium } from "../pages.mjs";

const here = (path) => new URL(path, import.meta.url);
const FILES = {
  "/": ["text/html", here("index.html")],
  "/app.js": ["text/javascript", here("app.js")],
  "/lib/sockjs.min.js": ["text/javascript", here("../node_modules/sockjs-client/dist/sockjs.min.js")],
  "/lib/stomp.umd.min.js": ["text/javascript", here("../node_modules/@stomp/stompjs/bundles/stomp.umd.min.js")],
};
/** What reads the stamp in a picture, as a module that any page can import. */
const STAMP = await readFile(here("../../../server/src/page/stamp.js"), "base64");

/** The page's own web server, on a free port. */
async function serve() {
  const server = createServer(async (request, response) => {
    const [type, file] = FILES[new URL(request.url, "http://any").pathname] ?? [];
    if (file === undefined) return response.writeHead(404).end();
    response.setHeader("content-type", type).end(await readFile(file));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return `http://127.0.0.1:${server.address().port}`;
}

/**
 * What a person would see in the page, and its statistics. Evaluated in the page, which knows nothing of it: `pc`, `mySid` and
 * `members` are variables of app.js.
 */
async function look(stamp) {
  const video = document.getElementById("remoteVideo");
  const stats = { frames: 0, energy: 0 };
  for (const entry of (await pc?.getStats())?.values() ?? []) {
    if (entry.type !== "inbound-rtp") continue;
    if (entry.kind === "video") stats.frames = entry.framesDecoded ?? 0;
    else stats.energy = entry.totalAudioEnergy ?? 0;
  }
  const seen = { status: document.getElementById("status").textContent, sid: mySid, members, ...stats };
  const { videoWidth: width, videoHeight: height } = video;
  if (video.srcObject === null || video.paused || width === 0) return { ...seen, picture: null, stamp: null };
  const { read, stripRows } = await import(`data:text/javascript;base64,${stamp}`);
  const pixels = (source, ...place) => {
    const canvas = new OffscreenCanvas(place.at(-2), place.at(-1)).getContext("2d", { willReadFrequently: true });
    canvas.drawImage(source, ...place);
    return canvas.getImageData(0, 0, place.at(-2), place.at(-1)).data;
  };
  const frame = await createImageBitmap(video);
  const rows = stripRows(height);
  const strip = pixels(frame, 0, 0, width, rows, 0, 0, width, rows);
  return { ...seen, width, height, picture: pixels(frame, 0, 0, 32, 24).join(), stamp: read(strip, width, height) };
}

/** The types of the signals in a text of STOMP, or of STOMP in SockJS. */
function typesIn(payload) {
  return [...String(payload).matchAll(/"type\\?":\\?"([A-Z]+)/g)].map(([, type]) => type);
}

class Tutorial {
  #browser;
  #origin;
  #limit;
  #open = new Map();

  constructor(browser, origin, limit) {
    this.#browser = browser;
    this.#origin = origin;
    this.#limit = limit;
  }

  async step(words) {
    const [name, verb, ...rest] = words.trim().split(/\s+/);
    const argument = rest.join(" ");
    switch (verb) {
      case "open":
        return this.#openPage(name, argument);
      case "join":
      case "leave":
        return void (await this.#page(name).page.click(`#${verb}Button`));
      case "until":
        return { snapshot: await this.#until(name, argument) };
      case "say":
        return { snapshot: await this.see(name) };
      case "close":
        await this.#page(name).page.context().close();
        this.#open.delete(name);
        return {};
      default:
        throw new Error(`there is no step ${verb}`);
    }
  }

  /**
   * `{status, sid, members, frames, energy, width, height, pictures, stamp, peers, sockets, signals, faults}`. pictures: how many
   * different ones were in the video of the far end whenever it was looked at; peers: of whom, by their stamps; sockets: the
   * addresses of WebSockets; signals: what went through them, such as "> OFFER" and "< ANSWER", its own echoes too.
   */
  async see(name) {
    const { page, pictures, peers, sockets, signals, faults } = this.#page(name);
    const { picture, ...seen } = await page.evaluate(look, STAMP);
    if (picture !== null) pictures.add(picture);
    if (seen.stamp !== null) peers.add(seen.stamp.peer);
    return { ...seen, pictures: pictures.size, peers: [...peers], sockets, signals, faults };
  }

  async #openPage(name, query) {
    const context = await this.#browser.newContext();
    const page = await context.newPage();
    const open = { page, pictures: new Set(), peers: new Set(), sockets: [], signals: [], faults: [] };
    // A DOMException has an empty stack.
    page.on("pageerror", (error) => open.faults.push(error.stack || `${error.name}: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") open.faults.push(message.text());
    });
    page.on("websocket", (socket) => {
      open.sockets.push(socket.url());
      socket.on("framesent", ({ payload }) => open.signals.push(...typesIn(payload).map((type) => `> ${type}`)));
      socket.on("framereceived", ({ payload }) => open.signals.push(...typesIn(payload).map((type) => `< ${type}`)));
    });
    this.#open.set(name, open);
    await page.goto(`${this.#origin}/?${query}`, { waitUntil: "load" });
  }

  async #until(name, expression) {
    const holds = new Function("s", `return (${expression});`);
    const end = performance.now() + this.#limit * 1000;
    for (;;) {
      const seen = await this.see(name);
      if (holds(seen)) return seen;
      if (performance.now() > end) throw new Error(`not within ${this.#limit} s: ${expression}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  #page(name) {
    const open = this.#open.get(name);
    if (open === undefined) throw new Error(`no page ${name} is open`);
    return open;
  }
}

const [option, seconds] = process.argv.slice(2);
const origin = await serve();
const browser = await launchChromium({ loopback: true });
const tutorial = new Tutorial(browser, origin, option === "--limit" ? Number(seconds) : 30);
let number = 0;
console.log(JSON.stringify({ number, origin }));
for await (const step of createInterface({ input: process.stdin })) {
  number += 1;
  try {
    console.log(JSON.stringify({ number, step, ...(await tutorial.step(step)) }));
  } catch (error) {
    const seen = await tutorial.see(step.trim()[0]).catch(() => null);
    console.log(JSON.stringify({ number, step, error: String(error.message ?? error), snapshot: seen }));
  }
}
await browser.close();
process.exit(0);
