// Drives the call page in real browsers: what the tests of calls between browsers and peer-cli run.
//
//   node call-page.mjs --server http://127.0.0.1:8080 STEP...
//
// A step is one argument of words; the first word names a page, a letter. Each prints one line of JSON when it is done,
// {"number", "step", "page", "atMs", ...}; after the first one that fails there is {"number", "step", "error", "snapshot"}
// and status 1. Without steps there, each line of standard input is one, and one that fails ends nothing.
//   a open /r/ROOM?QUERY     in a browser of its own, or where it is open already; before it may stand `a browser firefox`
//                            or `a browser tabs`: Chromium with hidden tabs that are slowed down, as a person has it
//   a wire [glare]           before it is opened: `a cut` ends its signaling without a goodbye until `a mend`; with glare an
//                            offer of the other side waits until the page has sent one (wire.mjs)
//   a join                   presses Join
//   a wait STATE             until window.dialtone.state is that, such as waiting, connected or full
//   a until EXPRESSION       until the expression is true; `d` in it is window.dialtone
//   a for SECONDS            lets time pass; a call is something that lasts
//   a say                    prints window.dialtone as "snapshot"
//   a candidates             prints those that it has signaled as "candidates"; Chromium only
//   a press NAME             mic, camera, screen, leave, again, quality, settings
//   a key KEY                presses a key
//   a choose KIND NAME       a device: videoinput, audioinput or audiooutput; where the dialog of devices is open, there
//   a clipboard              tells what a person would paste, as "text"
//   a reload   a close   a crash       as a person does; crash kills the browser
//   a hide                   another tab comes in front; tells how often a second a timer of 20 ms goes off behind it
//   a shot FILE              a picture of the page
//   a axe                    fails on any finding of axe-core
// Options: --loopback (pages may use 127.0.0.1), --no-permission (the real path of a visitor: .local candidates),
// --any-certificate (Chromium trusts every one), --one-browser (pages as contexts of one), --three-cameras, --limit SECONDS of each wait [30], --locale ko.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { axe, choose, launchChromium, launchFirefox, openPage, paste, snapshot, until, visit } from "./pages.mjs";
import { hide } from "./tabs.mjs";
import { Wire } from "./wire.mjs";

const BUTTONS = {
  mic: '#call [data-toggle="audio"]',
  camera: '#call [data-toggle="video"]',
  screen: "#screen",
  leave: "#leave",
  again: "#again",
  quality: "#quality",
  settings: "#settings",
};

/** Runs steps over pages that it opens as they are named. */
export class Stage {
  #options;
  #kinds = new Map();
  #wires = new Map();
  #open = new Map();
  #shared = null;
  #begun = performance.now();

  /** `{server, loopback, permission, oneBrowser, limit, locale, flags}` */
  constructor(options) {
    this.#options = options;
  }

  /** Does one step; gives what there is to tell about it. */
  async step(words) {
    const [name, verb, ...rest] = words.trim().split(/\s+/);
    const argument = rest.join(" ");
    const told = (await this.#do(name, verb, argument)) ?? {};
    return { step: words, page: name, atMs: Math.round(performance.now() - this.#begun), ...told };
  }

  page(name) {
    const open = this.#open.get(name);
    if (open === undefined) throw new Error(`no page ${name} is open`);
    return open;
  }

  async close() {
    for (const { browser, page } of this.#open.values()) {
      // A page that is closed says goodbye; a browser that is closed may not.
      await page.close().catch(() => {});
      await browser.close().catch(() => {});
    }
    await this.#shared?.close().catch(() => {});
  }

  async #do(name, verb, argument) {
    const { limit } = this.#options;
    if (verb === "browser") return void this.#kinds.set(name, argument);
    if (verb === "wire") return void this.#wires.set(name, new Wire({ glare: argument === "glare" }));
    if (verb === "open") return this.#openPage(name, argument);
    const { page, browser, context, faults, candidates } = this.page(name);
    switch (verb) {
      case "join":
        return void (await page.click("#join"));
      case "wait":
        return { snapshot: await until(page, `d.state === ${JSON.stringify(argument)}`, limit) };
      case "until":
        return { snapshot: await until(page, argument, limit) };
      case "for":
        return void (await new Promise((done) => setTimeout(done, Number(argument) * 1000)));
      case "say":
        return { snapshot: await snapshot(page), faults };
      case "candidates":
        return { candidates };
      case "press":
        return void (await page.click(BUTTONS[argument] ?? argument));
      case "key":
        return void (await page.keyboard.press(argument));
      case "choose":
        return choose(page, ...argument.split(/ (.*)/s));
      case "clipboard":
        return { text: await paste(page) };
      case "reload":
        await page.reload({ waitUntil: "load" });
        return void (await page.waitForFunction(() => window.dialtone !== undefined));
      case "close":
        this.#open.delete(name);
        await page.close({ runBeforeUnload: false });
        await (browser === this.#shared ? context.close() : browser.close());
        return {};
      case "crash":
        this.#open.delete(name);
        if (browser.kill) return void (await browser.kill());
        // Playwright keeps the process to itself; its page can be killed all the same.
        await page.goto("chrome://crash").catch(() => {});
        return void (await browser.close());
      case "cut":
      case "mend":
        return void (await this.#wires.get(name)[verb]());
      case "hide":
        return { ticks: await hide(context, page) };
      case "shot":
        return void (await page.screenshot({ path: argument }));
      case "axe": {
        const findings = await axe(page);
        if (findings.length > 0) throw new Error(findings.join("\n"));
        return {};
      }
      default:
        throw new Error(`there is no step ${verb}`);
    }
  }

  async #openPage(name, address) {
    const { server, oneBrowser, locale, limit } = this.#options;
    const known = this.#open.get(name);
    if (known !== undefined) return visit(known.page, server, address);
    const kind = this.#kinds.get(name);
    const isFirefox = kind === "firefox";
    const launch = isFirefox ? launchFirefox : launchChromium;
    const begun = performance.now();
    const shared = oneBrowser && !isFirefox && kind !== "tabs";
    if (shared) this.#shared ??= await launch(this.#options);
    const browser = shared ? this.#shared : await launch({ ...this.#options, hides: kind === "tabs" });
    const options = locale === undefined || isFirefox ? {} : { locale };
    try {
      const opened = await openPage(browser, server, address, options, (page) => {
        // Firefox here waits for nothing by itself.
        page.setDefaultTimeout?.(limit * 1000);
        return this.#wires.get(name)?.route(page);
      });
      this.#open.set(name, { browser, ...opened });
    } catch (error) {
      await browser.close();
      throw error;
    }
    return { tookMs: Math.round(performance.now() - begun) };
  }
}

/** The words of the command line: options with their values, and the rest. */
function read(words) {
  const options = { permission: true, limit: 30 };
  const steps = [];
  const rest = [...words];
  while (rest.length > 0) {
    const word = rest.shift();
    if (word === "--server") options.server = rest.shift().replace(/\/$/, "");
    else if (word === "--loopback") options.loopback = true;
    else if (word === "--no-permission") options.permission = false;
    else if (word === "--any-certificate") options.flags = ["--ignore-certificate-errors"];
    else if (word === "--one-browser") options.oneBrowser = true;
    else if (word === "--three-cameras") options.cameras = 3;
    else if (word === "--limit") options.limit = Number(rest.shift());
    else if (word === "--locale") options.locale = rest.shift();
    else steps.push(word);
  }
  return { options, steps };
}

async function main() {
  const { options, steps } = read(process.argv.slice(2));
  const stage = new Stage(options);
  // Whoever ends this ends the browsers with it.
  process.once("SIGTERM", () => stage.close().finally(() => process.exit(143)));
  let status = 0;
  let number = 0;
  for await (const step of steps.length > 0 ? steps : createInterface({ input: process.stdin })) {
    number += 1;
    try {
      console.log(JSON.stringify({ number, ...(await stage.step(step)) }));
    } catch (error) {
      status = 1;
      const open = await Promise.resolve().then(() => stage.page(step.trim()[0])).catch(() => null);
      const seen = open === null ? null : await snapshot(open.page).catch(() => null);
      const said = { error: String(error.message ?? error), snapshot: seen, faults: open?.faults ?? [] };
      console.log(JSON.stringify({ number, step, ...said }));
      if (steps.length > 0) break;
    }
  }
  await stage.close();
  process.exit(status);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main();
