// Looks at the call page in every state, at three widths and in both themes:
//   node call-page-look.mjs http://127.0.0.1:8080 [--from FOLDER] [--shots FOLDER] [--at-once N] [STATE...]
// It fails on any finding of axe-core, on what call-page-layout.mjs finds, on controls that the keyboard does not come
// to, on script errors, on what the page may not ask for, and on requests to anybody else. With --shots pictures are
// kept; with --from the page's files come from a folder, as server/src/page, in place of those that the server has.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { serve } from "./call-page-from.mjs";
import { snapshot } from "./pages.mjs";
import { examine, focused } from "./call-page-layout.mjs";
import { Browsers, Scene } from "./call-page-states.mjs";

const SIZES = [[320, 640], [768, 1024], [1280, 720]];
const THEMES = ["light", "dark"];
/** Of one wait, in seconds. */
const LIMIT = 90;

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const options = { "at-once": "2" };
const names = [];
for (let words = process.argv.slice(2); words.length > 0; ) {
  const word = words.shift();
  if (word.startsWith("--")) options[word.slice(2)] = words.shift();
  else names.push(word);
}
const given = names.shift();
const server = options.from === undefined ? given : await serve(options.from, given);
const browsers = new Browsers();
let faults = 0;

function fault(words) {
  faults += 1;
  console.log(`not ok - ${words}`);
}

async function look(name) {
  const scene = new Scene({ server, limit: LIMIT, browsers });
  try {
    await judge(name, await scene.reach(name));
  } finally {
    await scene.close();
  }
  console.log(`looked at ${name}`);
}

async function judge(name, { page, faults: told, strangers }) {
  const { state } = await snapshot(page);
  // Evaluated by the debugger, which no policy of the page holds back.
  await page.evaluate(axeSource);
  for (const colorScheme of THEMES) {
    for (const [width, height] of SIZES) {
      const wrong = (what) => fault(`${name} ${colorScheme} ${width}: ${what}`);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height });
      for (const finding of await page.evaluate(examine)) wrong(finding);
      for (const finding of await axe(page)) wrong(finding);
      if (options.shots) await page.screenshot({ path: path.join(options.shots, `${name}-${colorScheme}-${width}.png`) });
      if (colorScheme === THEMES[0]) for (const finding of await walk(page)) wrong(finding);
    }
  }
  const now = (await snapshot(page)).state;
  if (now !== state) fault(`${name}: it went from ${state} to ${now} while it was looked at`);
  // A socket that was cut on purpose is told by Chromium as an error of the page.
  for (const error of told.filter((text) => !/WebSocket connection to/.test(text))) fault(`${name}: ${error}`);
  for (const address of strangers) fault(`${name}: it asks another host: ${address}`);
}

async function axe(page) {
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  return violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map((node) => node.html.slice(0, 160)).join("; ")})`);
}

/** Goes through the page with the Tab key. */
async function walk(page) {
  const reached = new Set();
  const found = new Set();
  let names = [];
  for (let left = 3; left > 0; left -= 1) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate(focused);
    names = here.names;
    for (const wrong of here.wrong) found.add(wrong);
    // Three steps in a row to nothing new, and it has been all around.
    if (here.at >= 0 && !reached.has(names[here.at])) left = 4;
    if (here.at >= 0) reached.add(names[here.at]);
  }
  for (const name of names) if (!reached.has(name)) found.add(`the keyboard does not come to ${name}`);
  return found;
}

if (options.shots) await mkdir(options.shots, { recursive: true });
const queue = names.length > 0 ? names : Scene.names;
const worker = async () => {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    await look(name).catch((error) => fault(`${name}: ${error.stack}`));
  }
};
const begun = performance.now();
await Promise.all(Array.from({ length: Number(options["at-once"]) }, worker));
await browsers.close();
console.log(`${faults} faults in ${Math.round((performance.now() - begun) / 1000)} s`);
process.exit(faults === 0 ? 0 : 1);
