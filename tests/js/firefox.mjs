// Firefox as Debian ships it, by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/): as much of Playwright's face as
// the call page's tests need. Playwright's own way to Firefox asks for commands that this one does not know.
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

/** How long Firefox may take to start, in milliseconds; the first start on a busy machine takes long. */
const START = 60_000;

/** A running Firefox with these preferences. */
export async function launch(prefs) {
  const folder = await mkdtemp(path.join(tmpdir(), "dialtone-firefox-"));
  const lines = Object.entries(prefs).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  await writeFile(path.join(folder, "user.js"), `${lines.join("\n")}\n`);
  const program = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
  const args = ["--headless", "--no-remote", "--remote-debugging-port=0", "--profile", folder];
  const child = spawn(program, args, { env: { ...process.env, HOME: folder }, stdio: ["ignore", "ignore", "pipe"] });
  const gone = new Promise((done) => child.once("exit", done));
  try {
    const session = new Session(`${await listening(child)}/session`);
    await session.open();
    const close = async () => {
      await session.send("browser.close", {}).catch(() => {});
      await gone;
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    };
    const kill = () => child.kill("SIGKILL");
    return { newContext: async () => context(session), close, kill };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** The address that Firefox tells on standard error. */
function listening(child) {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error(`Firefox was not ready within ${START / 1000} s`)), START);
    child.once("error", failed);
    child.once("exit", (code) => failed(new Error(`Firefox ended with ${code}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      const [, address] = /WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? [];
      if (address === undefined) return;
      clearTimeout(timer);
      done(address);
    });
  });
}

/** One conversation: numbered commands, their answers, and events by their method. */
class Session extends EventEmitter {
  #socket;
  #number = 0;
  #waiting = new Map();

  constructor(address) {
    super();
    this.#socket = new WebSocket(address);
    this.#socket.on("message", (data) => {
      const { id, type, method, params, result, error, message } = JSON.parse(data);
      if (type === "event") return this.emit(method, params);
      const { done, failed } = this.#waiting.get(id) ?? {};
      this.#waiting.delete(id);
      if (type === "error") failed?.(new Error(`${error}: ${message}`));
      else done?.(result);
    });
    this.#socket.on("close", () => {
      for (const { failed } of this.#waiting.values()) failed(new Error("Firefox is gone"));
      this.#waiting.clear();
    });
  }

  async open() {
    await new Promise((done, failed) => this.#socket.once("open", done).once("error", failed));
    await this.send("session.new", { capabilities: {} });
    await this.send("session.subscribe", { events: ["log.entryAdded"] });
  }

  send(method, params) {
    const id = ++this.#number;
    return new Promise((done, failed) => {
      this.#waiting.set(id, { done, failed });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}

async function context(session) {
  const pages = [];
  const newPage = async () => {
    const { context: tab } = await session.send("browsingContext.create", { type: "tab" });
    const page = new Page(session, tab);
    pages.push(page);
    return page;
  };
  const close = async () => {
    for (const page of pages) await page.close();
  };
  return { newPage, close };
}

class Page extends EventEmitter {
  #session;
  #tab;

  constructor(session, tab) {
    super();
    this.#session = session;
    this.#tab = tab;
    session.on("log.entryAdded", ({ level, text, type, source }) => {
      if (source?.context !== tab || level !== "error") return;
      if (type === "javascript") this.emit("pageerror", text);
      else this.emit("console", { type: () => "error", text: () => text });
    });
  }

  get keyboard() {
    return { press: (key) => this.#press(key) };
  }

  async goto(url) {
    await this.#session.send("browsingContext.navigate", { context: this.#tab, url, wait: "complete" });
  }

  async reload() {
    await this.#session.send("browsingContext.reload", { context: this.#tab, wait: "complete" });
  }

  async evaluate(work, argument, userActivation = false) {
    const called = typeof work === "function" ? `(${work})` : `(() => (${work}))`;
    const result = await this.#session.send("script.callFunction", {
      functionDeclaration: `async (argument) => JSON.stringify((await ${called}(JSON.parse(argument))) ?? null)`,
      arguments: [{ type: "string", value: JSON.stringify(argument ?? null) }],
      target: { context: this.#tab },
      awaitPromise: true,
      userActivation,
    });
    if (result.type === "exception") throw new Error(result.exceptionDetails.text);
    return JSON.parse(result.result.value);
  }

  async waitForFunction(condition) {
    for (;;) {
      if (await this.evaluate(condition).catch(() => false)) return;
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  async click(selector) {
    await this.evaluate((wanted) => document.querySelector(wanted).click(), selector, true);
  }

  async screenshot({ path: file }) {
    const { data } = await this.#session.send("browsingContext.captureScreenshot", { context: this.#tab });
    await writeFile(file, Buffer.from(data, "base64"));
  }

  async close() {
    await this.#session.send("browsingContext.close", { context: this.#tab }).catch(() => {});
  }

  async #press(key) {
    const actions = ["keyDown", "keyUp"].map((type) => ({ type, value: key }));
    await this.#session.send("input.performActions", { context: this.#tab, actions: [{ type: "key", id: "keys", actions }] });
  }
}
