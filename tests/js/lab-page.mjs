// One end of a call on a site of scripts/nat-lab: the call page in a Chromium of its own, until the far end leaves.
//
//   @a node tests/js/lab-page.mjs "$LAB_PAGE/r/ROOM?media=pattern&peer=7"
//
// Prints one line of JSON: {"end", "snapshot", "faults"}. `end` is "left" (there was a call, and the far end ended it),
// the state in which the page stayed (failed, full), or "limit"; `snapshot` is window.dialtone as it was last in the call,
// or at the end where there was none. Status 0 after "left", 1 otherwise.
// Options: --no-permission (the real path of a visitor: .local candidates), --limit SECONDS for all of it [120].
import { writeSync } from "node:fs";
import { launchChromium, openPage, snapshot } from "./pages.mjs";

/** In milliseconds. */
const LOOK_EVERY = 200;
const IN_CALL = ["connected", "reconnecting"];

/** Stays in the call until it is over. */
async function stay(page, end) {
  let last = null;
  for (;;) {
    const d = await snapshot(page);
    if (IN_CALL.includes(d.state)) {
      // A moment later there is more to tell, and after the call there is nothing.
      last = d;
    } else if (last !== null) {
      return { end: d.state === "waiting" ? "left" : d.state, snapshot: last, why: d.why };
    } else if (["failed", "full"].includes(d.state)) {
      return { end: d.state, snapshot: d };
    }
    if (performance.now() > end) return { end: "limit", snapshot: last ?? d };
    await new Promise((done) => setTimeout(done, LOOK_EVERY));
  }
}

/** The words of the command line. */
function read(words) {
  const options = { permission: true, limit: 120 };
  const rest = [...words];
  while (rest.length > 0) {
    const word = rest.shift();
    if (word === "--no-permission") options.permission = false;
    else if (word === "--limit") options.limit = Number(rest.shift());
    else options.address = word;
  }
  return options;
}

const { address, permission, limit } = read(process.argv.slice(2));
const end = performance.now() + limit * 1000;
// The lab's authority is nobody's; a flag reaches TURN over TLS as well, which an option of the page's context does not.
const browser = await launchChromium({ permission, flags: ["--ignore-certificate-errors"] });
let told;
try {
  const { page, faults } = await openPage(browser, address, address);
  await page.click("#join");
  told = { ...(await stay(page, end)), faults };
} catch (error) {
  told = { end: "error", error: String(error.message ?? error), snapshot: null };
}
// A pipe takes a line as a whole, and exit waits for nothing that was written later.
writeSync(1, `${JSON.stringify(told)}\n`);
await browser.close().catch(() => {});
process.exit(told.end === "left" ? 0 : 1);
