// Looks at the call page in every state, at three widths and in both themes:
//   node call-page-look.mjs http://127.0.0.1:8080 [STATE...]
// It fails on any finding of axe-core, on anything that is too wide, on script errors, and on what the page may not ask
// for. With SHOTS=folder in the environment, pictures are kept there.
import path from "node:path";
import { Client } from "@stomp/stompjs";
import { WebSocket } from "ws";
import { axe, launchChromium, openPage, snapshot, until } from "./call-page.mjs";

const SIZES = [[320, 640], [768, 1024], [1280, 720]];
const [server, ...only] = process.argv.slice(2);
const room = (name) => `/r/look-${process.pid}-${name}`;
const PATTERN = "?media=pattern&judge=0";
let faults = 0;

/** One browser for each way in which a person may have answered, or have no camera. */
const launched = new Map();
async function browser(kind) {
  const ways = {
    allowed: { loopback: true },
    denied: { permission: false },
    bare: { loopback: true, device: false },
  };
  if (!launched.has(kind)) launched.set(kind, await launchChromium(ways[kind]));
  return launched.get(kind);
}

/** A page with its WebSocket in our hands: `socket.hold`, `socket.cut()`. */
async function enter(kind, address, { forbidden, ...options } = {}) {
  const socket = { hold: false, open: null };
  const prepare = async (page) => {
    if (forbidden) await page.addInitScript(forbidPlaying);
    await page.routeWebSocket(/\/ws$/, (route) => {
      if (socket.hold) return route.close();
      socket.open = route;
      if (!socket.silent) route.connectToServer();
    });
  };
  const opened = await openPage(await browser(kind), server, address, options, prepare);
  const cut = () => {
    socket.hold = true;
    socket.open?.close();
  };
  return { ...opened, socket, cut };
}

/** As a browser does that plays nothing by itself. */
function forbidPlaying() {
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    const pressed = navigator.userActivation.isActive && document.activeElement?.id === "play";
    if (this.muted || pressed) return play.call(this);
    this.pause();
    return Promise.reject(new DOMException("not yet", "NotAllowedError"));
  };
}

async function joined(kind, address, options) {
  const opened = await enter(kind, address, options);
  await opened.page.click("#join");
  return opened;
}

/** Two pages in a call. */
async function pair(name, query = PATTERN, options = {}) {
  const [a, b] = [await joined("allowed", room(name) + query, options), await joined("allowed", room(name) + PATTERN)];
  await until(a.page, "d.state === 'connected'");
  await until(a.page, "d.stats?.received.frames > 5 && d.stats.grade !== null");
  return [a, b];
}

/** A member of the room that says nothing. */
async function mute(name) {
  const client = new Client({ brokerURL: `${server.replace(/^http/, "ws")}/ws`, webSocketFactory: () => new WebSocket(`${server.replace(/^http/, "ws")}/ws`) });
  await new Promise((done) => {
    client.onConnect = done;
    client.activate();
  });
  client.publish({ destination: `/app${room(name).replace("/r/", "/rooms/")}/join`, body: "{}" });
  return client;
}

/** Every state: how to get there. What it returns is looked at; `others` are closed afterwards. */
const STATES = {
  start: async () => ({ at: await enter("allowed", "/") }),
  "bad-room": async () => ({ at: await enter("allowed", "/r/not%20a%20room") }),
  lobby: async () => {
    const at = await enter("allowed", room("lobby"));
    await until(at.page, "d.camera && d.mic");
    return { at };
  },
  "lobby-off": async () => {
    const at = await enter("allowed", room("lobby"));
    await until(at.page, "d.camera && d.mic");
    await at.page.keyboard.press("v");
    await at.page.keyboard.press("m");
    await until(at.page, "!d.camera && !d.mic");
    return { at };
  },
  denied: async () => {
    const at = await enter("denied", room("denied"));
    await until(at.page, "d.problems.video === 'denied'");
    return { at };
  },
  missing: async () => {
    const at = await enter("bare", room("missing"));
    await until(at.page, "d.problems.video === 'missing'");
    return { at };
  },
  joining: async () => {
    const at = await enter("allowed", room("joining"));
    at.socket.silent = true;
    await at.page.click("#join");
    await until(at.page, "d.state === 'joining'");
    return { at };
  },
  unreachable: async () => {
    const at = await enter("allowed", room("unreachable"));
    at.socket.hold = true;
    await at.page.click("#join");
    await until(at.page, "d.signaling === 'lost'");
    return { at };
  },
  waiting: async () => {
    const at = await joined("allowed", room("waiting"));
    await until(at.page, "d.state === 'waiting'");
    return { at };
  },
  "waiting-bare": async () => {
    const at = await joined("bare", room("bare"));
    await until(at.page, "d.state === 'waiting'");
    return { at };
  },
  connecting: async () => {
    const other = await mute("connecting");
    const at = await joined("allowed", room("connecting"));
    await until(at.page, "d.state === 'connecting'");
    return { at, after: () => other.deactivate() };
  },
  connected: async () => {
    const [at, other] = await pair("connected");
    return { at, others: [other] };
  },
  korean: async () => {
    const [at, other] = await pair("korean", PATTERN, { locale: "ko-KR" });
    await at.page.click("#quality");
    await until(at.page, "d.stats.received.frames > 40");
    return { at, others: [other] };
  },
  "korean-lobby": async () => ({ at: await enter("bare", "/", { locale: "ko-KR" }) }),
  details: async () => {
    const [at, other] = await pair("details");
    await at.page.click("#quality");
    const { stats } = await snapshot(at.page);
    await until(at.page, `d.stats.received.frames > ${stats.received.frames + 20}`);
    return { at, others: [other] };
  },
  devices: async () => {
    const [at, other] = await pair("devices", "");
    await at.page.click("#settings");
    return { at, others: [other] };
  },
  off: async () => {
    const [at, other] = await pair("off");
    await at.page.keyboard.press("m");
    await at.page.keyboard.press("v");
    await until(at.page, "!d.camera && !d.mic");
    return { at, others: [other] };
  },
  "no-picture": async () => {
    const [at, other] = await pair("no-picture");
    await other.page.keyboard.press("v");
    await at.page.waitForSelector("#no-picture:not([hidden])");
    return { at, others: [other] };
  },
  play: async () => {
    const [at, other] = await pair("play", PATTERN, { forbidden: true });
    await at.page.waitForSelector("#play:not([hidden])");
    return { at, others: [other] };
  },
  "server-lost": async () => {
    const [at, other] = await pair("server-lost");
    at.cut();
    await until(at.page, "d.signaling === 'lost' && d.state === 'connected'");
    return { at, others: [other] };
  },
  reconnecting: async () => {
    const [at, other] = await pair("reconnecting");
    other.cut();
    await other.context.close();
    await until(at.page, "d.state === 'reconnecting'", 20);
    return { at };
  },
  full: async () => {
    const others = await pair("full");
    const at = await joined("allowed", room("full"));
    await until(at.page, "d.state === 'full'");
    return { at, others };
  },
  ended: async () => {
    const [at, other] = await pair("ended");
    await at.page.click("#leave");
    await until(at.page, "d.state === 'ended'");
    return { at, others: [other] };
  },
  failed: async () => {
    const other = await mute("failed");
    const at = await joined("allowed", room("failed"));
    await until(at.page, "d.state === 'failed'", 40);
    return { at, after: () => other.deactivate() };
  },
};

async function look(name) {
  const { at, others = [], after } = await STATES[name]();
  const { page, context, faults: told } = at;
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, height] of SIZES) {
      const fault = (what) => {
        faults += 1;
        console.log(`not ok - ${name} ${colorScheme} ${width}: ${what}`);
      };
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) fault(`it is ${over} px too wide`);
      const hidden = await page.evaluate(covered);
      if (hidden.length > 0) fault(`cannot be pressed: ${hidden.join(", ")}`);
      for (const finding of await axe(page)) fault(finding);
      await page.evaluate(() => scrollTo(0, 0));
      if (process.env.SHOTS) await page.screenshot({ path: path.join(process.env.SHOTS, `${name}-${colorScheme}-${width}.png`) });
    }
  }
  // A socket that was cut on purpose is told by Chromium as an error of the page.
  for (const error of told.filter((text) => !/WebSocket connection to/.test(text))) {
    faults += 1;
    console.log(`not ok - ${name}: ${error}`);
  }
  for (const { context: open } of [{ context }, ...others]) await open.close().catch(() => {});
  await after?.();
  console.log(`ok - ${name}`);
}

/** Buttons in the window whose middle belongs to something else. */
function covered() {
  const dialog = document.querySelector("dialog[open]");
  return [...(dialog ?? document).querySelectorAll("button, a, input, select")]
    .filter((element) => element.checkVisibility() && !element.classList.contains("skip"))
    .filter((element) => {
      element.scrollIntoView({ block: "center" });
      const { left, top, width, height } = element.getBoundingClientRect();
      const [x, y] = [left + width / 2, top + height / 2];
      const there = document.elementFromPoint(x, y);
      return there === null || !(element.contains(there) || there.contains(element));
    })
    .map((element) => element.id || element.textContent);
}

for (const name of only.length > 0 ? only : Object.keys(STATES)) {
  try {
    await look(name);
  } catch (error) {
    faults += 1;
    console.log(`not ok - ${name}: ${error.stack}`);
  }
}
for (const open of launched.values()) await open.close();
console.log(`${faults} faults`);
process.exit(faults === 0 ? 0 : 1);
