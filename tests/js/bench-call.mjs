// What a call costs between two pages in one Chromium, between a page and peer-cli, and between two peer-cli: taking
// turns in one run against one dialtone-server. `scripts/bench-call` builds the programs and calls this.
//   node bench-call.mjs --programs FOLDER [--rounds N] [--steady SECONDS] [--only KIND,KIND] [--json FILE]
// Every kind sends and receives 640x480 at 30 fps in VP8 and a tone in Opus over loopback. A page draws its picture and
// encodes it as it goes, and judges nothing; peer-cli repeats five seconds that it encoded once, unless it is live, and
// judges all that arrives, unless it counts packets only. Nothing asks a page or peer-cli for anything between launch and
// the first picture: each notes the time by itself. The cost of Node, which looks on, is not counted.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Chromium } from "./bench-chromium.mjs";
import { sample, treeOf } from "./bench-processes.mjs";

const KINDS = {
  pages: { title: "two pages", peers: ["page", "page"] },
  mixed: { title: "page and CLI", peers: ["page", "full"] },
  full: { title: "two CLIs", peers: ["full", "full"] },
  live: { title: "two CLIs, --live", peers: ["live", "live"] },
  packets: { title: "two CLIs, --judge packets", peers: ["packets", "packets"] },
};
const CLI = {
  full: ["--judge", "full"],
  live: ["--judge", "full", "--live"],
  packets: ["--judge", "packets"],
};
/** Between the first picture and the steady call, in seconds: by then bitrates have settled, and peer-cli has its loop. */
const SETTLE = 6;
/** What is measured: the name in the JSON, what it is, how many digits, and how many times less `full` is to take than `pages`. */
const FIGURES = [
  ["launchToFrameMs", "launch to first picture on both sides, ms", 0, 5],
  ["readyToFrameMs", "READY to first picture on both sides, ms", 0],
  ["cpuToFrameS", "CPU from launch to first picture, s", 3, 5],
  ["cpuToSteadyS", `CPU from launch to ${SETTLE} s after it, s`, 2],
  ["steadyCores", "CPU in a steady call, cores", 3, 5],
  ["memoryMb", "memory in a steady call (PSS), MB", 1, 10],
  ["fps", "pictures per second, at the side that saw fewer", 1],
  ["processes", "processes", 0],
  ["serverCpuToFrameS", "the server beside it: CPU to first picture, s", 4],
  ["serverSteadyCores", "the server beside it: CPU in a steady call, cores", 4],
];
/** A call of 30 pictures per second that showed fewer did less than was asked of it: what it cost then says nothing. */
const WHOLE = 25;
/** For anything to happen, in seconds. */
const LIMIT = 60;

const { values: options } = parseArgs({
  options: {
    programs: { type: "string", default: "target/release" },
    rounds: { type: "string", default: "5" },
    steady: { type: "string", default: "5" },
    only: { type: "string", default: Object.keys(KINDS).join() },
    json: { type: "string" },
  },
});
const program = (name) => path.resolve(options.programs, name);
const folder = mkdtempSync(path.join(tmpdir(), "dialtone-bench-"));
const children = new Set();
let rooms = 0;

/** Milliseconds since 1970 with fractions, as pages tell theirs. */
const now = () => performance.timeOrigin + performance.now();
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** A process whose lines on standard output are told one by one. */
function start(file, args, tell = () => {}) {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    lines.forEach(tell);
  });
  return child;
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, failed) => {
    timer = setTimeout(() => failed(new Error(`${what}: not within ${LIMIT} s`)), LIMIT * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * A peer-cli in that room. Its report says what it had when, from the moment when the call began for it. When that was,
 * on our clock, is known from the lines that it writes meanwhile: they tell the same times and cannot come before them.
 */
function cli(level, server, room, index) {
  const report = path.join(folder, `${room}-${index}.json`);
  const sought = level === "packets" ? "first packet" : "first picture decoded";
  let first;
  let began = Infinity;
  const shown = new Promise((done) => {
    first = done;
  });
  const hear = (line) => {
    const [, ms, what] = /^ *([\d.]+) ms peer +(.*)$/.exec(line) ?? [];
    if (what === undefined) return;
    began = Math.min(began, now() - Number(ms));
    if (what === sought) first();
  };
  const args = ["join", room, "--server", server, "--audio", "tone", "--call-number", "3", `--json=${report}`];
  const child = start(program("peer-cli"), [...args, ...CLI[level]], hear);
  const gone = once(child, "exit");
  const end = async () => {
    // It may be over already: who is left ends by itself.
    child.kill("SIGINT");
    await within(gone, "the end of peer-cli");
    const { verdict, peers, directions } = JSON.parse(readFileSync(report, "utf8"));
    if (!verdict.ok) throw new Error(verdict.sentence);
    const [{ phases }] = peers;
    const at = (name) => began + phases.find(({ phase }) => phase === name).at_ms;
    // With --judge packets a call may be over as soon as the first packet is there, which may be one of sound.
    const { width = 0, height = 0, fps = 0 } = directions[0].video ?? {};
    return { readyAt: at("ready"), firstAt: at(level === "packets" ? "first-packet" : "first-picture"), seen: { width, height, fps } };
  };
  return { pid: child.pid, shown, end };
}

/** Chromium with that many pages, each in a context of its own. */
function pages(count, server, room) {
  const flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--allow-loopback-in-peer-connection"];
  const chromium = new Chromium(path.join(folder, `profile-${room}`), flags);
  const site = server.replace("ws", "http").replace(/\/ws$/, "");
  const open = Array.from({ length: count }, (_, index) =>
    chromium.open(`${site}/r/${room}?media=pattern&judge=0&peer=${7 - index}`),
  );
  return open.map(({ shown, look }, index) => ({
    pid: chromium.pid,
    shown,
    end: async () => {
      const lookedAt = now();
      const { marks, stats } = await within(look(), "a look at a page");
      if (index === open.length - 1) await within(chromium.close(), "the end of Chromium");
      const { width, height, frames } = stats.received;
      const fps = (frames * 1000) / (lookedAt - marks.firstFrame);
      return { readyAt: marks.ready, firstAt: marks.firstFrame, seen: { width, height, fps } };
    },
  }));
}

/** One call of that kind, from nothing to nothing. */
async function call(kind, server, steady) {
  rooms += 1;
  const room = `bench${rooms}`;
  const { peers: wanted } = KINDS[kind];
  const isPage = (peer) => peer === "page";
  const serverBefore = sample([server.pid]);
  const launched = now();
  const clis = wanted.flatMap((peer, index) => (isPage(peer) ? [] : [cli(peer, server.url, room, index)]));
  const inBrowser = wanted.filter(isPage).length;
  const peers = [...(inBrowser > 0 ? pages(inBrowser, server.url, room) : []), ...clis];
  const roots = [...new Set(peers.map(({ pid }) => pid))];
  await within(Promise.all(peers.map(({ shown }) => shown)), `the first pictures of ${kind}`);
  const sampledAt = now();
  const first = sample(treeOf(roots));
  const serverFirst = sample([server.pid]);
  if (steady > 0) await pause(SETTLE);
  const [from, serverFrom, begun] = [sample(treeOf(roots)), sample([server.pid]), performance.now()];
  await pause(steady);
  const [to, serverTo, seconds] = [sample(treeOf(roots)), sample([server.pid]), (performance.now() - begun) / 1000];
  const heavy = sample(treeOf(roots), { memory: true });
  const serverMb = sample([server.pid], { memory: true }).mb;
  const ends = [];
  // One after the other: who is left by the other one still has its call to tell of.
  for (const { end } of peers) ends.push(await end());
  const firstAt = Math.max(...ends.map((end) => end.firstAt));
  return {
    launchToFrameMs: firstAt - launched,
    readyToFrameMs: firstAt - Math.min(...ends.map((end) => end.readyAt)),
    cpuToFrameS: first.cpu,
    cpuToSteadyS: from.cpu,
    steadyCores: (to.cpu - from.cpu) / seconds,
    memoryMb: heavy.mb,
    processes: heavy.processes,
    serverCpuToFrameS: serverFirst.cpu - serverBefore.cpu,
    serverSteadyCores: (serverTo.cpu - serverFrom.cpu) / seconds,
    serverMb,
    /** How much later than the first picture the CPU was read: what ran meanwhile is counted too. */
    sampledLateMs: sampledAt - firstAt,
    seen: ends.map(({ seen }) => seen),
    /** Pictures per second of the call, at the side that saw fewer. */
    fps: Math.min(...ends.map(({ seen }) => seen.fps)),
  };
}

/** A fixed piece of work: how many times longer it took than it had a core. 1: nobody disturbed it. */
function disturbance() {
  const [begun, before] = [performance.now(), process.cpuUsage()];
  let sum = 0;
  for (let at = 0; at < 100_000_000; at += 1) sum = Math.imul(sum ^ at, 31);
  const { user, system } = process.cpuUsage(before);
  return { wallMs: performance.now() - begun, cpuMs: (user + system) / 1000, sum };
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return share === 0.5 && sorted.length % 2 === 0
    ? (sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2
    : sorted[Math.ceil(sorted.length * share) - 1];
}

function table(kinds, calls, jobs) {
  const of = (kind, name, share) => quantile(calls[kind].map((figures) => figures[name]), share);
  const width = Math.max(...FIGURES.map(([, what]) => what.length));
  const lines = [`rounds: ${options.rounds}, taking turns; median [p90]`];
  const columns = kinds.map((kind, index) => `${"ABCDEFG"[index]} ${KINDS[kind].title}`);
  const cells = (values) => values.map((value, index) => value.padStart(Math.max(columns[index].length, 15))).join("  ");
  lines.push(`${"".padEnd(width)}  ${cells(columns)}`);
  for (const [name, what, digits] of FIGURES) {
    const values = kinds.map((kind) => `${of(kind, name, 0.5).toFixed(digits)} [${of(kind, name, 0.9).toFixed(digits)}]`);
    lines.push(`${what.padEnd(width)}  ${cells(values)}`);
  }
  if (kinds.includes("packets")) lines.push("  --judge packets decodes nothing and sees no picture: its first picture is the first packet");
  const goals = FIGURES.filter(([, , , goal]) => goal !== undefined);
  const poor = kinds.filter((kind) => kind !== "packets" && calls[kind].some(({ fps }) => !(fps >= WHOLE)));
  for (const kind of poor) lines.push(`  NOT COMPARABLE: ${KINDS[kind].title} showed fewer than ${WHOLE} of 30 pictures per second in a call`);
  const isWhole = !poor.includes("pages") && !poor.includes("full");
  for (const kind of ["full", "live", "packets"].filter((each) => kinds.includes(each) && kinds.includes("pages"))) {
    lines.push("", `two pages / ${KINDS[kind].title}${kind === "full" ? ", and the goals" : ""}`);
    for (const [name, what, , goal] of goals) {
      const ratio = of("pages", name, 0.5) / of(kind, name, 0.5);
      const verdict = kind === "full" ? `   goal: ${goal} times less: ${isWhole ? (ratio >= goal ? "met" : "MISSED") : "not known"}` : "";
      lines.push(`${what.padEnd(width)}  ${ratio.toFixed(1).padStart(6)}${verdict}`);
    }
  }
  const delays = jobs.map(({ wallMs, cpuMs }) => wallMs / cpuMs);
  const [middle, worst] = [quantile(delays, 0.5), Math.max(...delays)];
  const [calm, most] = [Math.min(...jobs.map(({ cpuMs }) => cpuMs)), Math.max(...jobs.map(({ cpuMs }) => cpuMs))];
  lines.push("", `a fixed job before each call took ${middle.toFixed(2)} times its own CPU time, at worst ${worst.toFixed(2)}, and ${calm.toFixed(0)} to ${most.toFixed(0)} ms of CPU`);
  lines.push(middle < 1.1 && worst < 1.5 ? "  so the machine was quiet" : "  so the machine was DISTURBED: only orders of magnitude mean something; run it again when it is quiet");
  return lines.join("\n");
}

async function main() {
  const kinds = options.only.split(",");
  const unknown = kinds.find((kind) => KINDS[kind] === undefined);
  if (unknown !== undefined) throw new Error(`there is no kind ${unknown}; the kinds are ${Object.keys(KINDS).join(", ")}`);
  const [rounds, steady] = [Number(options.rounds), Number(options.steady)];
  const server = {};
  await within(new Promise((ready, failed) => {
    const child = start(program("dialtone-server"), ["--listen", "127.0.0.1:0", "--log", "warn"], (line) => {
      server.url = line.split(" ready on ")[1];
      ready();
    });
    child.once("error", failed);
    server.pid = child.pid;
  }), "the server");
  const calls = Object.fromEntries(kinds.map((kind) => [kind, []]));
  const jobs = [];
  // Not counted: programs come from the disk for the first time, and Node has to learn its own job.
  for (const kind of kinds) {
    disturbance();
    await call(kind, server, 0);
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const kind of kinds) {
      const { sum: _, ...job } = disturbance();
      jobs.push(job);
      calls[kind].push(await call(kind, server, steady));
    }
    process.stderr.write(`round ${round} of ${rounds} is done\n`);
  }
  console.log(table(kinds, calls, jobs));
  if (options.json !== undefined) {
    const machine = { cpus: cpus().length, model: cpus()[0]?.model, chromium: Chromium.version };
    writeFileSync(options.json, `${JSON.stringify({ machine, rounds, steady, jobs, calls }, null, 1)}\n`);
  }
}

function cleanUp() {
  for (const child of children) child.kill("SIGKILL");
  Chromium.killAll();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]]) {
  process.once(signal, () => {
    cleanUp();
    process.exit(status);
  });
}
try {
  await main();
} finally {
  cleanUp();
}
