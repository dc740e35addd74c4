// The page: one room, its lobby, its call. What the address says beside the room is for tests:
//   /r/ROOM?media=pattern   sends the drawn picture and the tone of peer-cli in place of camera and microphone
//          &peer=N          as this peer, 0 to 255; a call's number is N / 2 rounded down [a random one]
//          &judge=1 or 0    reads the far end's stamps and tone, or does not [with media=pattern it does]
//          &policy=relay    relayed candidates only
//          &codec=H264      the video codec to prefer
//          &offer=RULE      whatever the session ids say: `always` offers, `insist` does and takes no other offer until
//                           it is answered, `never` leaves it to the other side
// `window.dialtone` is what tests read; nothing can be changed through it.

import { Call } from "./call.js";
import { t } from "./i18n.js";
import { Media } from "./media.js";
import { Quality } from "./quality.js";
import { isRoom, keepSeat, randomRoom, roomOf, takeSeat } from "./room.js";
import { Signaling } from "./signaling.js";
import { View } from "./ui.js";

const TONES = { lobby: "calm", waiting: "calm", connected: "good", full: "bad", failed: "bad", ended: "calm" };
/** Without a new picture for this long, in milliseconds, we say so. */
const STALLED = 2500;

const query = new URLSearchParams(location.search);
const asked = roomOf(location);
const isPattern = query.get("media") === "pattern";
const isRelay = query.get("policy") === "relay";

let room = isRoom(asked) ? asked : null;
let state = "lobby";
/** Why it is so: left, no-path, refused, … */
let why = null;
let asking = false;
let signalingState = "closed";
let signaling = null;
let call = null;
let judge = null;
let pattern = null;
let stats = null;
let iceServers = [];
let blocked = false;
let awake = null;
let pictures = { count: 0, at: 0 };
const marks = { load: now() };

const remote = new MediaStream();
const media = new Media((kind) => {
  call?.replaceTrack(kind, media.outgoing(kind));
  showOwn();
});
const view = new View({
  join: (name) => join(name),
  leave: () => leave(),
  again: () => again(),
  toggle: (kind) => media.toggle(kind),
  choose: (kind, id) => media.choose(kind, id),
  speaker: (id) => view.remote.setSinkId(id).catch((error) => console.warn(`speaker: ${error.message}`)),
  screen: () => (media.isScreenShared ? media.stopScreen() : media.shareScreen().catch(() => {})),
  askAgain: () => open(),
  play: () => play(),
});
const quality = new Quality((found) => {
  // While the path is cut, the figures of before mean nothing.
  stats = found === null || state !== "reconnecting" ? found : { ...found, grade: "poor" };
  // Before there is a path nothing can be good or poor.
  view.quality(["connected", "reconnecting"].includes(state) ? stats : null);
  const { frames = 0 } = found?.received ?? {};
  if (frames !== pictures.count || state !== "connected") pictures = { count: frames, at: performance.now() };
  show();
});

Object.defineProperty(window, "dialtone", { get: snapshot });
view.room(room, asked || randomRoom());
show();
const prepared = isPattern || query.get("judge") === "1" ? prepareTest() : Promise.resolve();
begin();

async function begin() {
  if (typeof RTCPeerConnection !== "function") return over("failed", "unsupported");
  if (asked !== "" && room === null) view.roomIsBad();
  navigator.mediaDevices?.addEventListener?.("devicechange", showDevices);
  view.remote.addEventListener("loadeddata", () => (marks.firstFrame ??= now()));
  addEventListener("pagehide", goAway);
  // A page that comes back from the browser's cache has nothing left of its call.
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  await prepared;
  await open();
}

/** The pattern and the judge are for tests; nobody else loads them. */
async function prepareTest() {
  if (query.get("judge") !== "0") {
    const { Judge } = await import("./judge.js");
    judge = new Judge(view.remote);
  }
  if (isPattern) {
    const { Pattern, toneOf } = await import("./pattern.js");
    const peer = query.has("peer") ? Number(query.get("peer")) & 0xff : 2 + Math.floor(Math.random() * 252);
    const source = new Pattern(peer);
    pattern = { peer, toneHz: toneOf(peer), start: () => source.start() };
    media.usePattern(source);
  }
}

async function open() {
  asking = true;
  showOwn();
  show();
  await media.open();
  asking = false;
  showOwn();
  show();
}

async function join(name) {
  await prepared;
  if (call !== null) return;
  if (name !== null) {
    if (!isRoom(name)) return view.roomIsBad();
    room = name;
    history.replaceState(null, "", `/r/${room}${location.search}`);
    view.room(room);
  }
  for (const mark of ["joined", "ready", "connected", "firstFrame"]) delete marks[mark];
  marks.join = now();
  judge?.start();
  pattern?.start();
  call = new Call({
    send: (message) => signaling.send(message),
    tell: (kind, ...words) => onCall[kind](...words),
    local: () => ({ audio: media.outgoing("audio"), video: media.outgoing("video"), stream: media.stream }),
    config: () => ({ iceServers, bundlePolicy: "max-bundle", iceTransportPolicy: isRelay ? "relay" : "all" }),
    codec: query.get("codec"),
    rule: query.get("offer"),
  });
  signaling = new Signaling({
    url: `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`,
    room,
    resume: takeSeat(room),
    tell: (kind, ...words) => onServer[kind](...words),
  });
  signalingState = "connecting";
  become("joining");
  view.show("call");
  signaling.start();
  addEventListener("online", hurry);
}

const onServer = {
  me(sid, servers) {
    marks.joined ??= now();
    signalingState = "open";
    iceServers = servers ?? [];
    call.me(sid);
    show();
  },
  back() {
    call.back();
  },
  members: (sids) => call.members(sids),
  ready() {
    marks.ready ??= now();
    call.ready();
  },
  left: (who) => call.left(who),
  signal: (from, message) => call.signal(from, message),
  refused(code, words) {
    // A call that works needs no server.
    if (state === "connected" || state === "reconnecting") return;
    if (code === "ROOM_FULL") end("full");
    else end("failed", "refused", words);
  },
  lost() {
    signalingState = "lost";
    call.lost();
    show();
  },
};

const onCall = {
  phase(name, reason) {
    if (name === "connected") marks.connected ??= now();
    if (name === "waiting") {
      clearRemote();
      quality.stop();
    }
    become(name, reason);
  },
  failed: (reason) => end("failed", reason),
  linked(pc) {
    clearRemote();
    quality.watch(pc);
  },
  track(track) {
    for (const old of remote.getTracks()) if (old.kind === track.kind) remote.removeTrack(old);
    remote.addTrack(track);
    // Not before there is a track: a page counts as loading while its video waits for one.
    if (view.remote.srcObject === null) view.remote.srcObject = remote;
    judge?.watch(track);
    play();
  },
};

/** Out of the room: by choice, because it is full, or because the call failed. */
function end(name, reason = null, words = "") {
  removeEventListener("online", hurry);
  call?.close();
  signaling?.leave();
  call = null;
  signaling = null;
  signalingState = "closed";
  quality.stop();
  clearRemote();
  media.close();
  over(name, reason, words);
}

function over(name, reason, words) {
  become(name, reason);
  const text = name === "failed" ? `over.${reason}` : `over.${name}`;
  const button = reason === "unsupported" ? "" : t(name === "ended" ? "again" : "tryAgain");
  view.over({ title: t(`status.${name}`), text: t(text, { words }), button });
}

function leave() {
  end("ended");
}

async function again() {
  await open();
  join(null);
}

function hurry() {
  call?.hurry();
}

/** The page goes: the seat is given up now, or, where that does not arrive, by the page that follows in this tab. */
function goAway() {
  if (signaling === null) return;
  keepSeat(room, signaling.token);
  signaling.leave();
  call.close();
}

async function play() {
  if (view.remote.srcObject === null) return;
  try {
    await view.remote.play();
    blocked = false;
  } catch (error) {
    // Anything else than a forbidden start is one that a newer stream has overtaken.
    blocked = error.name === "NotAllowedError";
  }
  show();
}

function clearRemote() {
  for (const track of remote.getTracks()) remote.removeTrack(track);
  // Else its last picture stays.
  view.remote.srcObject = null;
  judge?.reset();
  blocked = false;
}

/** A phone does not fall asleep over a call; where that cannot be had, nothing is lost. */
async function stayAwake() {
  const wanted = () => state === "connected" || state === "reconnecting";
  if (wanted() && awake === null) awake = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
  if (wanted()) return;
  awake?.release().catch(() => {});
  awake = null;
}

function become(name, reason = null) {
  state = name;
  stayAwake();
  why = reason;
  pictures = { count: 0, at: performance.now() };
  show();
}

/** The line of the state and what lies over the picture. */
function show() {
  const { key, tone } = statusNow();
  view.status(t(`status.${key}`), tone);
  const stalled = state === "connected" && performance.now() - pictures.at > STALLED;
  const soon = ["joining", "connecting"].includes(state) ? t(`status.${key}`) : null;
  view.stage({ waiting: state === "waiting", soon, noPicture: stalled, play: blocked && state === "connected" });
}

function statusNow() {
  if (signalingState === "lost") return { key: state === "connected" ? "lost-connected" : "lost", tone: "busy" };
  if (state === "lobby" && asking) return { key: "asking", tone: "busy" };
  const key = state === "waiting" && why === "left" ? "waiting-left" : state;
  return { key, tone: TONES[state] ?? "busy" };
}

function showOwn() {
  const kinds = ["audio", "video"];
  const each = (what) => Object.fromEntries(kinds.map((kind) => [kind, what(kind)]));
  view.own({
    stream: media.shown,
    on: each((kind) => media.isOn(kind)),
    problems: each((kind) => media.problem(kind)),
    mirrored: !media.isScreenShared && pattern === null,
    screen: media.isScreenShared,
    canShare: Media.canShareScreen,
    asking,
  });
  showDevices();
}

async function showDevices() {
  const lists = await media.devices();
  const chosen = { audioinput: media.deviceId("audio"), videoinput: media.deviceId("video"), audiooutput: view.remote.sinkId };
  view.devices(lists, chosen);
}

function snapshot() {
  const copy = {
    state,
    why,
    status: t(`status.${statusNow().key}`),
    signaling: signalingState,
    room,
    sid: signaling?.sid ?? null,
    other: call?.other ?? null,
    policy: isRelay ? "relay" : "all",
    mic: media.isOn("audio"),
    camera: media.isOn("video"),
    screen: media.isScreenShared,
    problems: { audio: media.problem("audio"), video: media.problem("video") },
    connection: call?.pc?.connectionState ?? null,
    pattern: pattern === null ? null : { peer: pattern.peer, toneHz: pattern.toneHz },
    far: judge === null ? null : { ...judge.snapshot, isBlind: isBlind() },
    stats,
    marks,
  };
  return structuredClone(copy);
}

/** Whether no picture can be judged for now: Firefox shows none where nobody looks, and only shown ones are read there. */
function isBlind() {
  return document.hidden && typeof MediaStreamTrackProcessor !== "function";
}

/** Milliseconds since 1970 with fractions, comparable with other processes on this machine. */
function now() {
  return performance.timeOrigin + performance.now();
}
