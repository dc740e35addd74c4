// Chromium as a person starts it: with tabs of which one is in front, while those behind it are hidden and slowed down.
// Playwright's own start has every page believe that it is looked at, and no timer of it waits.
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

/** How long it may take to start, in milliseconds. */
const START = 60_000;

/** A running Chromium with these flags. */
export async function launch(flags) {
  const folder = await mkdtemp(path.join(tmpdir(), "dialtone-chromium-"));
  const args = ["--headless", "--remote-debugging-port=0", `--user-data-dir=${folder}`, ...flags, "about:blank"];
  const child = spawn(process.env.CHROMIUM ?? "/usr/bin/chromium", args, {
    stdio: ["ignore", "ignore", "pipe"],
    // A group of its own: its helpers end with it.
    detached: true,
  });
  const gone = new Promise((done) => child.once("exit", done));
  // Nobody else ends it when this program is told to stop.
  const last = () => {
    killGroup(child);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  process.once("exit", last);
  process.once("SIGTERM", () => process.exit(1));
  const kill = async () => {
    process.off("exit", last);
    killGroup(child);
    await gone;
    last();
  };
  try {
    const browser = await chromium.connectOverCDP(await listening(child), { noDefaults: true });
    const close = async () => {
      const debug = await browser.newBrowserCDPSession();
      await debug.send("Browser.close").catch(() => {});
      await gone;
      await kill();
    };
    return { newContext: async () => browser.contexts()[0], close, kill };
  } catch (error) {
    await kill();
    throw error;
  }
}

/** Puts another tab in front of the page; gives how often a second a timer of 20 ms goes off behind it. */
export async function hide(context, page) {
  const front = await context.newPage();
  await front.bringToFront?.();
  return page.evaluate(async () => {
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    for (let left = 100; !document.hidden; left -= 1) {
      if (left === 0) throw new Error("the page can still be seen");
      await pause(100);
    }
    let ticks = 0;
    setInterval(() => (ticks += 1), 20);
    await pause(4000);
    return ticks / 4;
  });
}

function killGroup({ pid }) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** The address that Chromium tells on standard error. */
function listening(child) {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error(`Chromium was not ready within ${START / 1000} s`)), START);
    child.once("error", failed);
    child.once("exit", (code) => failed(new Error(`Chromium ended with ${code}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      const [, address] = /DevTools listening on (ws:\S+)/.exec(line) ?? [];
      if (address === undefined) return;
      clearTimeout(timer);
      done(address);
    });
  });
}
