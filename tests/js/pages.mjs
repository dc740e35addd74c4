// The call page in a browser: how one is started, a page opened, and what is asked of it by all scripts here.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { launch as firefox } from "./firefox.mjs";
import { launch as tabs } from "./tabs.mjs";

const require = createRequire(import.meta.url);

const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];
const FIREFOX_PREFS = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // Without a sound card no AudioContext ever runs; this stands in for one.
  "media.cubeb.force_mock_context": true,
};

/**
 * Chromium; `flags` are added. Without `permission` a page gets neither camera nor plain addresses,
 * with no `cameras` there is no microphone either.
 */
export function launchChromium({ loopback = false, permission = true, cameras = 1, flags = [], hides = false } = {}) {
  const args = [...CHROMIUM_FLAGS, ...flags];
  if (cameras > 0) args.push(`--use-fake-device-for-media-stream=device-count=${cameras}`);
  if (permission) args.push("--use-fake-ui-for-media-stream");
  if (loopback) args.push("--allow-loopback-in-peer-connection");
  if (hides) return tabs(args);
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}

/** Firefox; without `permission` a page gets neither camera nor microphone. */
export function launchFirefox({ permission = true } = {}) {
  return firefox({ ...FIREFOX_PREFS, "media.navigator.permission.disabled": permission });
}

/** A page on the server's call page; `options` are those of a Playwright context, `prepare(page)` comes before it loads. */
export async function openPage(browser, server, address, options = {}, prepare = undefined) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error.stack ?? error)));
  // Chromium tells of refused Content-Security-Policy only here.
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  const candidates = [];
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => candidates.push(...candidatesIn(String(payload))));
  });
  await prepare?.(page);
  await visit(page, server, address);
  return { page, context, faults, candidates };
}

/** Loads another address in an open page. */
export async function visit(page, server, address) {
  await page.goto(new URL(address, server).href, { waitUntil: "load" });
  await page.waitForFunction(() => window.dialtone !== undefined);
}

/** The ICE candidates in a message, in its description or by themselves. */
const candidatesIn = (message) => message.match(/candidate:[^"\\]* typ [^"\\]*/g) ?? [];

/** What the page tells tests. */
export const snapshot = (page) => page.evaluate(() => window.dialtone);

/** Waits until the expression about `d`, which is window.dialtone, is true. */
export async function until(page, expression, seconds = 30) {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    // Asked from here: the page forbids code made of text.
    const d = await snapshot(page).catch(() => undefined);
    if (d !== undefined && new Function("d", `return (${expression});`)(d)) return d;
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${expression}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/** The findings of axe-core on the page as it stands. */
export async function axe(page) {
  const source = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
  // Evaluated by the debugger, which no policy of the page holds back.
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map((node) => node.html.slice(0, 160)).join("; ")})`);
}

/** Chooses the device of that name, as the list has it that is in front. */
export async function choose(page, kind, name) {
  const list = page.locator(`[data-device="${kind}"]:visible`);
  await list.selectOption({ label: name });
}

/** What the clipboard has, as a field for text gets it: the page may not read it, nor may every test. */
export async function paste(page) {
  await page.evaluate(() => {
    const field = document.createElement("textarea");
    field.id = "pasted";
    document.body.append(field);
    field.focus();
  });
  await page.keyboard.press("Control+V");
  return page.evaluate(() => {
    const field = document.getElementById("pasted");
    field.remove();
    return field.value;
  });
}
