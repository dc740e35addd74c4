// The page: one room, its lobby, its call. What tests may order in its address stands in orders.js; `window.dialtone`
// is what they read, and nothing can be changed through it.

import { stayAwake } from "./awake.js";
import { Call } from "./call.js";
import { Far } from "./far.js";
import { t } from "./i18n.js";
import { Media } from "./media.js";
import { codec, isRelay, prepare, rule } from "./orders.js";
import { Quality } from "./quality.js";
import { isRoom, keepSeat, randomRoom, roomOf, takeSeat } from "./room.js";
import { Signaling } from "./signaling.js";
import { View } from "./ui.js";

const TONES = { lobby: "calm", waiting: "calm", connected: "good", full: "bad", failed: "bad", ended: "calm" };
const asked = roomOf(location);

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
const marks = { load: now() };

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
  play: () => far.play(),
});
const far = new Far(view.remote, show);
const quality = new Quality((found) => {
  // While the path is cut, the figures of before mean nothing.
  stats = found === null || state !== "reconnecting" ? found : { ...found, grade: "poor" };
  // Before there is a path nothing can be good or poor.
  view.quality(["connected", "reconnecting"].includes(state) ? stats : null);
  const { frames = 0 } = found?.received ?? {};
  if (state === "connected") far.count(frames);
  else far.restart(frames);
  show();
});

Object.defineProperty(window, "dialtone", { get: snapshot });
view.room(room, asked || randomRoom());
show();
const prepared = prepareOrders();
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

async function prepareOrders() {
  ({ judge, pattern } = await prepare(view.remote));
  if (pattern !== null) media.usePattern(pattern.source);
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
  pattern?.source.start();
  call = new Call({
    send: (message) => signaling.send(message),
    tell: (kind, ...words) => onCall[kind](...words),
    local: () => ({ audio: media.outgoing("audio"), video: media.outgoing("video"), stream: media.stream }),
    config: () => ({ iceServers, bundlePolicy: "max-bundle", iceTransportPolicy: isRelay ? "relay" : "all" }),
    codec,
    rule,
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
    far.add(track);
    judge?.watch(track);
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

function clearRemote() {
  far.clear();
  judge?.reset();
}

function become(name, reason = null) {
  state = name;
  stayAwake(["connected", "reconnecting"].includes(state));
  why = reason;
  far.restart();
  show();
}

/** The line of the state and what lies over the picture. */
function show() {
  const { key, tone } = statusNow();
  view.status(t(`status.${key}`), tone);
  const stalled = state === "connected" && far.isStalled;
  const soon = ["joining", "connecting"].includes(state) ? t(`status.${key}`) : null;
  view.stage({ waiting: state === "waiting", soon, noPicture: stalled, play: far.blocked && state === "connected" });
}

function statusNow() {
  if (signalingState === "lost") return { key: state === "connected" ? "lost-connected" : "lost", tone: "busy" };
  if (state === "lobby" && asking) return { key: "asking", tone: "busy" };
  const key = state === "waiting" && why === "left" ? "waiting-left" : state;
  return { key, tone: TONES[state] ?? "busy" };
}

function showOwn() {
  view.own({
    stream: media.shown,
    ...media.state,
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
  const { on, devices, problems } = media.state;
  const copy = {
    state,
    why,
    status: t(`status.${statusNow().key}`),
    signaling: signalingState,
    room,
    sid: signaling?.sid ?? null,
    other: call?.other ?? null,
    policy: isRelay ? "relay" : "all",
    mic: on.audio,
    camera: on.video,
    screen: media.isScreenShared,
    devices,
    problems,
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
