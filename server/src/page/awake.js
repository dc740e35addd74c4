// A phone does not fall asleep over a call; where that cannot be had, nothing is lost.

let lock = null;
let wanted = false;

export async function stayAwake(isWanted) {
  wanted = isWanted;
  if (wanted && lock === null) lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
  // It may be over by the time that it is had.
  if (wanted) return;
  lock?.release().catch(() => {});
  lock = null;
}
