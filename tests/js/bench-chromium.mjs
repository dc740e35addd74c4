// Chromium for figures, by its own debugging pipe: nothing stands between, and nothing polls. A page presses Join by itself
// once there is something to send, and tells of its first picture.
import { spawn } from "node:child_process";
import { once } from "node:events";

const FLAGS = [
  "--headless",
  "--remote-debugging-pipe",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--disable-breakpad",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-extensions",
  "--disable-sync",
  "--metrics-recording-only",
  "--mute-audio",
  "--no-default-browser-check",
  "--no-first-run",
  "--password-store=basic",
  "--autoplay-policy=no-user-gesture-required",
];

/** Runs in the page. */
const PRESS_JOIN = `addEventListener("load", async () => {
  const video = document.querySelector("#remote");
  video.addEventListener("loadeddata", () => shown(""), { once: true });
  while (!window.dialtone?.camera || !window.dialtone.mic) await new Promise((done) => setTimeout(done, 2));
  document.querySelector("#join").click();
});`;

export class Chromium {
  static version = null;
  static #running = new Set();
  #child;
  #next = 0;
  #answers = new Map();
  #listeners = new Map();

  constructor(profile, flags) {
    const program = process.env.CHROMIUM ?? "/usr/bin/chromium";
    // A session of its own, by which helpers that leave their parent are found; two more pipes, for commands and answers.
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"];
    this.#child = spawn(program, [...FLAGS, ...flags, `--user-data-dir=${profile}`, "about:blank"], { stdio, detached: true });
    Chromium.#running.add(this.#child);
    this.#child.once("exit", () => Chromium.#running.delete(this.#child));
    let rest = "";
    this.#child.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      for (const message of messages) this.#heard(JSON.parse(message));
    });
  }

  get pid() {
    return this.#child.pid;
  }

  static killAll() {
    for (const { pid } of Chromium.#running) process.kill(-pid, "SIGKILL");
  }

  /** A page in a context of its own: `shown` ends with its first picture, `look()` gives window.dialtone. */
  open(url) {
    let first;
    let failed;
    const shown = new Promise((done, fail) => {
      first = done;
      failed = fail;
    });
    const session = this.#page(url, first);
    session.catch(failed);
    const look = async () => {
      const { result } = await this.#send("Runtime.evaluate", { expression: "window.dialtone", returnByValue: true }, await session);
      return result.value;
    };
    return { shown, look };
  }

  async close() {
    Chromium.version ??= (await this.#send("Browser.getVersion")).product;
    const gone = once(this.#child, "exit");
    await this.#send("Browser.close").catch(() => {});
    await gone;
  }

  async #page(url, first) {
    const { browserContextId } = await this.#send("Target.createBrowserContext");
    const { targetId } = await this.#send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.#send("Target.attachToTarget", { targetId, flatten: true });
    this.#listeners.set(sessionId, (method) => method === "Runtime.bindingCalled" && first());
    await Promise.all([
      this.#send("Runtime.enable", {}, sessionId),
      this.#send("Runtime.addBinding", { name: "shown" }, sessionId),
      this.#send("Page.enable", {}, sessionId),
      this.#send("Page.addScriptToEvaluateOnNewDocument", { source: PRESS_JOIN }, sessionId),
    ]);
    // Not before the answers: another process may load the page, and is told only what was settled by then.
    await this.#send("Page.navigate", { url }, sessionId);
    return sessionId;
  }

  #send(method, params = {}, sessionId = undefined) {
    this.#next += 1;
    const id = this.#next;
    this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((done, failed) => this.#answers.set(id, { done, failed, method }));
  }

  #heard({ id, result, error, method, sessionId }) {
    if (id === undefined) return void this.#listeners.get(sessionId)?.(method);
    const { done, failed, method: asked } = this.#answers.get(id);
    this.#answers.delete(id);
    if (error === undefined) done(result);
    else failed(new Error(`${asked}: ${error.message}`));
  }
}
