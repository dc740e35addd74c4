// How to get the call page into each of its states, by the ways that a person has: what call-page-look.mjs looks at.
import { Client } from "@stomp/stompjs";
import { WebSocket } from "ws";
import { launchChromium, openPage, snapshot, until } from "./pages.mjs";

const PATTERN = "?media=pattern&judge=0";
/** The longest name that a room may have, with nothing in it where a line would break by itself. */
const LONG = "W".repeat(64);
/** One browser for each way in which a person may have answered, or have no camera. */
const BROWSERS = {
  allowed: { loopback: true },
  denied: { permission: false },
  bare: { loopback: true, cameras: 0 },
};

/** The browsers in which pages are brought into their states. */
export class Browsers {
  #launched = new Map();

  get(kind) {
    if (!this.#launched.has(kind)) this.#launched.set(kind, launchChromium(BROWSERS[kind]));
    return this.#launched.get(kind);
  }

  async close() {
    for (const browser of this.#launched.values()) await (await browser).close();
  }
}

/** The pages of one state. */
export class Scene {
  #server;
  #limit;
  #browsers;
  #open = [];

  static get names() {
    return Object.keys(WAYS);
  }

  /** `limit` of a wait, in seconds. */
  constructor({ server, limit, browsers }) {
    this.#server = server;
    this.#limit = limit;
    this.#browsers = browsers;
  }

  /** Gives the page that is to be looked at, see `enter`. */
  reach(name) {
    return WAYS[name](this, name);
  }

  async close() {
    for (const close of this.#open) await Promise.resolve(close()).catch(() => {});
  }

  room(name) {
    return `/r/look-${process.pid}-${name}`;
  }

  until(page, expression) {
    return until(page, expression, this.#limit);
  }

  /**
   * A page with its WebSocket in our hands: with `silent` it leads nowhere, `cut()` ends it for good, `hush()` keeps all
   * that the server says from now on but its heartbeats. `waits`: how long what takes 5 s and more takes, in ms.
   */
  async enter(kind, address, { forbidden, waits, silent, lost, ...options } = {}) {
    const socket = { lost, silent, hushed: false, open: null };
    const strangers = [];
    const prepare = async (page) => {
      page.setDefaultTimeout(this.#limit * 1000);
      page.on("request", (request) => {
        const { protocol, origin } = new URL(request.url());
        if (/^(https?|wss?):/.test(protocol) && origin !== new URL(this.#server).origin) strangers.push(request.url());
      });
      if (forbidden) await page.addInitScript(forbidPlaying);
      if (waits !== undefined) await page.addInitScript(setPatience, waits);
      await page.routeWebSocket(/\/ws$/, (route) => {
        if (socket.lost) return route.close();
        socket.open = route;
        if (socket.silent) return undefined;
        const behind = route.connectToServer();
        behind.onMessage((message) => (socket.hushed && message.length > 2 ? undefined : route.send(message)));
        return undefined;
      });
    };
    const opened = await openPage(await this.#browsers.get(kind), this.#server, address, options, prepare);
    this.#open.push(() => opened.context.close());
    const cut = () => {
      socket.lost = true;
      socket.open?.close();
    };
    return { ...opened, strangers, cut, hush: () => (socket.hushed = true) };
  }

  async joined(kind, address, options) {
    const opened = await this.enter(kind, address, options);
    // That it can be pressed is seen in the lobby; here a busy machine may take long to say so.
    await opened.page.dispatchEvent("#join", "click");
    return opened;
  }

  /** Two pages in a call. */
  async pair(name, query = PATTERN, options = {}) {
    const a = await this.joined("allowed", this.room(name) + query, options);
    const b = await this.joined("allowed", this.room(name) + PATTERN);
    await this.until(a.page, "d.state === 'connected' && d.stats?.received.frames > 5 && d.stats.grade !== null");
    return [a, b];
  }

  /** A member of the room that says nothing. */
  async mute(name) {
    const url = `${this.#server.replace(/^http/, "ws")}/ws`;
    const client = new Client({ webSocketFactory: () => new WebSocket(url) });
    this.#open.push(() => client.deactivate());
    await new Promise((done) => {
      client.onConnect = done;
      client.activate();
    });
    client.publish({ destination: `/app${this.room(name).replace("/r/", "/rooms/")}/join`, body: "{}" });
  }
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

/** States that end by themselves stay as long as we look, and those that take long come soon. */
function setPatience(waits) {
  const wait = window.setTimeout.bind(window);
  window.setTimeout = (what, ms, ...rest) => wait(what, ms >= 5000 ? waits : ms, ...rest);
}

const HOURS = 2 ** 31 - 1;
const alone = async (at, ready, scene) => {
  await scene.until(at.page, ready);
  return at;
};

const WAYS = {
  start: (s) => s.enter("allowed", "/"),
  "bad-room": (s) => s.enter("allowed", "/r/not%20a%20room"),
  lobby: async (s, name) => alone(await s.enter("allowed", s.room(name)), "d.camera && d.mic", s),
  "lobby-long": async (s) => alone(await s.enter("allowed", `/r/${LONG}`), "d.camera && d.mic", s),
  "lobby-off": async (s, name) => {
    const at = await alone(await s.enter("allowed", s.room(name)), "d.camera && d.mic", s);
    await at.page.keyboard.press("v");
    await at.page.keyboard.press("m");
    return alone(at, "!d.camera && !d.mic", s);
  },
  "korean-lobby": (s) => s.enter("bare", "/", { locale: "ko-KR" }),
  "korean-denied": async (s, name) =>
    alone(await s.enter("denied", s.room(name), { locale: "ko-KR" }), "d.problems.video === 'denied'", s),
  denied: async (s, name) => alone(await s.enter("denied", s.room(name)), "d.problems.video === 'denied'", s),
  missing: async (s, name) => alone(await s.enter("bare", s.room(name)), "d.problems.video === 'missing'", s),
  joining: async (s, name) =>
    alone(await s.joined("allowed", s.room(name), { silent: true, waits: HOURS }), "d.state === 'joining'", s),
  unreachable: async (s, name) =>
    alone(await s.joined("allowed", s.room(name), { lost: true }), "d.signaling === 'lost'", s),
  waiting: async (s, name) => alone(await s.joined("allowed", s.room(name)), "d.state === 'waiting'", s),
  "waiting-bare": async (s, name) => alone(await s.joined("bare", s.room(name)), "d.state === 'waiting'", s),
  "korean-waiting": async (s, name) =>
    alone(await s.joined("allowed", s.room(name), { locale: "ko-KR" }), "d.state === 'waiting'", s),
  "waiting-again": async (s, name) => {
    const [at, other] = await s.pair(name);
    await other.page.click("#leave");
    await s.until(at.page, "d.state === 'waiting' && d.why === 'left'");
    return at;
  },
  connecting: async (s, name) => {
    await s.mute(name);
    return alone(await s.joined("allowed", s.room(name), { waits: HOURS }), "d.state === 'connecting'", s);
  },
  connected: async (s, name) => (await s.pair(name))[0],
  details: async (s, name) => {
    const [at] = await s.pair(name);
    await at.page.click("#quality");
    const { stats } = await snapshot(at.page);
    await s.until(at.page, `d.stats.received.frames > ${stats.received.frames + 20}`);
    return at;
  },
  "korean-details": async (s, name) => {
    const [at] = await s.pair(name, PATTERN, { locale: "ko-KR" });
    await at.page.click("#quality");
    await s.until(at.page, "d.stats.received.frames > 40");
    return at;
  },
  devices: async (s, name) => {
    const [at] = await s.pair(name, "");
    await at.page.click("#settings");
    return at;
  },
  off: async (s, name) => {
    const [at] = await s.pair(name);
    await at.page.keyboard.press("m");
    await at.page.keyboard.press("v");
    await s.until(at.page, "!d.camera && !d.mic");
    return at;
  },
  screen: async (s, name) => {
    const [at] = await s.pair(name, "");
    await at.page.click("#screen");
    await s.until(at.page, "d.screen");
    return at;
  },
  "no-picture": async (s, name) => {
    const [at, other] = await s.pair(name);
    await other.page.keyboard.press("v");
    await at.page.waitForSelector("#no-picture:not([hidden])");
    return at;
  },
  play: async (s, name) => {
    const [at] = await s.pair(name, PATTERN, { forbidden: true });
    await at.page.waitForSelector("#play:not([hidden])");
    return at;
  },
  "server-lost": async (s, name) => {
    const [at] = await s.pair(name);
    at.cut();
    await s.until(at.page, "d.signaling === 'lost' && d.state === 'connected'");
    return at;
  },
  reconnecting: async (s, name) => {
    const [at, other] = await s.pair(name, PATTERN, { waits: HOURS });
    // Else the server soon says that the other one has left.
    at.hush();
    other.cut();
    await other.context.close();
    return alone(at, "d.state === 'reconnecting'", s);
  },
  full: async (s, name) => {
    await s.pair(name);
    const at = await s.joined("allowed", s.room(name));
    await s.until(at.page, "d.state === 'full'");
    return at;
  },
  ended: async (s, name) => {
    const at = await alone(await s.joined("allowed", s.room(name)), "d.state === 'waiting'", s);
    await at.page.click("#leave");
    return alone(at, "d.state === 'ended'", s);
  },
  failed: async (s, name) => {
    await s.mute(name);
    return alone(await s.joined("allowed", s.room(name), { waits: 3000 }), "d.state === 'failed'", s);
  },
};
