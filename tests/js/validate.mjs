// Holds reports against the published schema:
//   node validate.mjs SCHEMA.json REPORT.json...
import { readFileSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";

const read = (file) => JSON.parse(readFileSync(file, "utf8"));
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
const valid = ajv.compile(read(process.argv[2]));
let faults = 0;
for (const file of process.argv.slice(3)) {
  const report = read(file);
  if (!valid(report)) {
    faults += 1;
    console.log(`not ok - ${file}\n${ajv.errorsText(valid.errors, { separator: "\n" })}`);
    continue;
  }
  // A schema that takes everything proves nothing.
  const broken = { ...report, verdict: "perhaps" };
  if (valid(broken)) {
    faults += 1;
    console.log(`not ok - ${file}: the schema takes a verdict that is none`);
  }
}
console.log(`${process.argv.length - 3} reports, ${faults} faults`);
process.exit(faults === 0 ? 0 : 1);
