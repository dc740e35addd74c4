// Opens HTML reports in Chromium as a reader would, and says what is wrong with them:
//   node report.mjs REPORT.html...
// With SHOTS=folder in the environment, pictures of them are kept there.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { browser } from "./browser.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const chromium = await browser();
let faults = 0;

for (const file of process.argv.slice(2)) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [320, 768, 1280]) {
      const where = `${path.basename(file)} ${colorScheme} ${width}`;
      const fault = (what) => {
        faults += 1;
        console.log(`not ok - ${where}: ${what}`);
      };
      // The page forbids scripts that are not its own; the one that checks it is let past that.
      const context = await chromium.newContext({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
      const page = await context.newPage();
      const own = pathToFileURL(path.resolve(file)).href;
      page.on("request", (request) => {
        const url = request.url();
        if (url.split("#")[0] !== own && !url.startsWith("data:")) fault(`it asks for ${url}`);
      });
      page.on("console", (message) => message.type() === "error" && fault(message.text()));
      page.on("pageerror", (error) => fault(String(error)));
      await page.goto(own, { waitUntil: "load" });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (over > 0) fault(`it is ${over} px too wide`);
      const pictures = await page.evaluate(() => [...document.images].filter((i) => i.naturalWidth === 0).length);
      if (pictures > 0) fault(`${pictures} pictures cannot be shown`);
      if ((await page.locator("h1").count()) !== 1) fault("it has not exactly one h1");
      for (const details of await page.locator("details").all()) {
        await details.evaluate((element) => (element.open = true));
      }
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      for (const { id, help, nodes } of violations) fault(`${id}: ${help} (${nodes[0].html.slice(0, 200)})`);
      if (process.env.SHOTS) {
        await page.screenshot({ path: path.join(process.env.SHOTS, `${where.replaceAll(" ", "-")}.png`), fullPage: true });
      }
      await context.close();
    }
  }
  console.log(`ok - ${path.basename(file)}`);
}
await chromium.close();
console.log(`${process.argv.length - 2} reports, ${faults} faults`);
process.exit(faults === 0 ? 0 : 1);
