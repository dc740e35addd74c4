// What the address says beside the room is for tests:
//   /r/ROOM?media=pattern   sends the drawn picture and the tone of peer-cli in place of camera and microphone
//          &peer=N          as this peer, 0 to 255; a call's number is N / 2 rounded down [a random one]
//          &judge=1 or 0    reads the far end's stamps and tone, or does not [with media=pattern it does]
//          &policy=relay    relayed candidates only
//          &codec=H264      the video codec to prefer
//          &offer=RULE      whatever the session ids say: `always` offers, `insist` does and takes no other offer until
//                           it is answered, `never` leaves it to the other side

const query = new URLSearchParams(location.search);
const isPattern = query.get("media") === "pattern";

export const isRelay = query.get("policy") === "relay";
export const codec = query.get("codec");
export const rule = query.get("offer");

/** What was ordered to send and to judge by, `{pattern, judge}`, null each where it was not; nobody else loads these. */
export async function prepare(video) {
  const judge = await makeJudge(video);
  return { judge, pattern: isPattern ? await makePattern() : null };
}

async function makeJudge(video) {
  const asked = query.get("judge");
  if (asked === "0" || (asked !== "1" && !isPattern)) return null;
  const { Judge } = await import("./judge.js");
  return new Judge(video);
}

async function makePattern() {
  const { Pattern, toneOf } = await import("./pattern.js");
  const peer = query.has("peer") ? Number(query.get("peer")) & 0xff : 2 + Math.floor(Math.random() * 252);
  const source = new Pattern(peer);
  return { peer, toneHz: toneOf(peer), source };
}
