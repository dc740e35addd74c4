// What processes have used, from Linux' /proc.
import { readFileSync, readdirSync } from "node:fs";

/** Of utime and stime, in seconds; the same on every Linux that Node runs on. */
const TICK = 0.01;

/** These processes and all that descend from one of them or share its session. */
export function treeOf(roots) {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => stat(Number(name)) ?? []);
  const found = new Set(roots);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    // A helper of a browser may have left its parent, but not its session.
    for (const { pid, parent, session } of all) if (found.has(parent) || found.has(session)) found.add(pid);
  }
  return [...found];
}

/** Seconds of CPU since their start, with those of children that are gone, and with `memory` proportional megabytes. */
export function sample(pids, { memory = false } = {}) {
  const sum = { cpu: 0, mb: 0, processes: 0 };
  for (const pid of pids) {
    const times = stat(pid);
    if (times === undefined) continue;
    sum.processes += 1;
    // Ticks are rounded down; the threads' own nanoseconds are exact and lack the threads that are gone. Both are at most
    // the truth, so the larger one is the better.
    sum.cpu += Math.max(times.own, threads(pid)) + times.children;
    if (memory) sum.mb += Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? "")?.[1] ?? 0) / 1000;
  }
  return sum;
}

function stat(pid) {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // A name may have spaces and brackets in it; the last bracket ends it. proc_pid_stat(5) counts from 1, state is 3.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number) => Number(fields[number - 3]);
  return { pid, parent: field(4), session: field(6), own: (field(14) + field(15)) * TICK, children: (field(16) + field(17)) * TICK };
}

function threads(pid) {
  let ids;
  try {
    ids = readdirSync(`/proc/${pid}/task`);
  } catch {
    return 0;
  }
  return ids.reduce((sum, id) => sum + Number(read(`/proc/${pid}/task/${id}/schedstat`)?.split(" ")[0] ?? 0) / 1e9, 0);
}

/** Undefined where the process is gone. */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
