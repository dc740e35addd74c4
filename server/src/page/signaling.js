// The conversation with the server about one room: it joins, keeps the seat over lost connections, and carries signals.
// What it tells, as `tell(kind, ...)`:
//   me(sid, iceServers)  members([sid])  ready  left(sid)  signal(from, message)
//   refused(code, words)  lost(words)  back

import { Stomp } from "./stomp.js";

/** How long to wait before a join that was not answered is sent again, in milliseconds. */
const JOIN_AGAIN = 1000;
/** The first pause before dialling again, and the longest one. */
const PAUSE = 300;
const LONGEST_PAUSE = 8000;
/** Signals kept while there is no connection: a call's worth of candidates. */
const MOST_KEPT = 256;
/** How often a seat that we had may be refused, once in JOIN_AGAIN, before it is lost: longer than a server keeps one. */
const MOST_REFUSALS = 40;
/** What is no answer to anything that we asked for. */
const NOTICES = ["RESUME_REFUSED", "GOING_AWAY"];
/** How often to dial for a goodbye; the server gives the seat up by itself not much later. */
const MOST_GOODBYES = 6;

/** The one that has left while the server could not be told, and still tries to tell it. */
let parting = null;

export class Signaling {
  #url;
  #room;
  #tell;
  #stomp = null;
  #resume;
  /** The seat of an earlier life of this page, to be given up before taking a new one. */
  #oldSeat;
  #sid = null;
  #joined = false;
  #joinedBefore = false;
  #lossTold = false;
  #refusals = 0;
  #leaving = false;
  #kept = [];
  #attempt = 0;
  #dialTimer;
  #joinTimer;

  /** `resume`: the token of a session that this tab had before it was reloaded. */
  constructor({ url, room, resume, tell }) {
    this.#url = url;
    this.#room = room;
    this.#resume = resume ?? null;
    this.#oldSeat = resume !== undefined && resume !== null;
    this.#tell = tell;
    this.hurry = this.hurry.bind(this);
  }

  /** Our session id, once the server has told it. */
  get sid() {
    return this.#sid;
  }

  /** What to present after a reload. */
  get token() {
    return this.#resume;
  }

  get isOpen() {
    return this.#joined;
  }

  start() {
    addEventListener("online", this.hurry);
    if (parting?.#room === this.#room) this.#follow(parting);
    this.#dial();
  }

  /** Dials now if it was waiting to. */
  hurry() {
    if (this.#dialTimer === undefined) return;
    this.#attempt = 0;
    this.#dial();
  }

  /** Sends a signal to the other member; kept while there is no connection. */
  send(message) {
    if (this.#joined) {
      this.#stomp.send(`/app/rooms/${this.#room}/signal`, { ...message, sid: this.#sid });
    } else if (this.#kept.length < MOST_KEPT) {
      this.#kept.push(message);
    }
  }

  /** Gives the seat up and ends the session; nothing is told any more. */
  leave() {
    const isHeard = this.#joined || !this.#joinedBefore;
    this.#leaving = true;
    removeEventListener("online", this.hurry);
    clearTimeout(this.#dialTimer);
    clearTimeout(this.#joinTimer);
    if (this.#stomp !== null) this.#goodbye(this.#stomp);
    if (isHeard) return;
    // Else the other side would wait for us, and we find the room full, for as long as the server keeps the seat.
    parting = this;
    this.#attempt = 0;
    if (this.#stomp === null) this.#dial();
  }

  #goodbye(stomp) {
    stomp.send(`/app/rooms/${this.#room}/leave`);
    stomp.disconnect();
  }

  /** In place of one that could not say goodbye: its seat is given up before a new one is taken. */
  #follow(old) {
    parting = null;
    clearTimeout(old.#dialTimer);
    old.#stomp?.abort("another one follows");
    if (this.#resume !== null || old.#resume === null) return;
    this.#resume = old.#resume;
    this.#oldSeat = true;
  }

  #dial() {
    clearTimeout(this.#dialTimer);
    this.#dialTimer = undefined;
    const told = {
      connected: () => this.#connected(stomp),
      refused: () => {
        // A token that the server calls an error is not worth a second try.
        this.#resume = null;
      },
      closed: (words) => this.#closed(words),
    };
    const headers = { host: location.hostname, "heart-beat": "10000,10000", resume: this.#resume ?? "new" };
    const stomp = new Stomp(this.#url, headers, told);
    this.#stomp = stomp;
  }

  #connected(stomp) {
    if (this.#leaving) {
      if (parting === this) parting = null;
      return this.#goodbye(stomp);
    }
    const room = `/topic/rooms/${this.#room}`;
    stomp.subscribe("/user/queue/me", (body) => this.#me(body));
    stomp.subscribe("/user/queue/system", (body) => this.#notice(body));
    stomp.subscribe(`${room}/members`, (body) => {
      const members = readMembers(body);
      if (members !== null) this.#told("members", members);
    });
    stomp.subscribe(`${room}/signal`, (body, headers) => this.#signal(body, headers));
    if (this.#oldSeat) stomp.send(`/app/rooms/${this.#room}/leave`);
    this.#oldSeat = false;
    this.#join();
  }

  /** A Spring broker loses a join that overtakes the subscriptions, so it is repeated until it was answered. */
  #join() {
    this.#stomp.send(`/app/rooms/${this.#room}/join`, { roomId: this.#room });
    clearTimeout(this.#joinTimer);
    this.#joinTimer = setTimeout(() => this.#join(), JOIN_AGAIN);
  }

  #me(body) {
    const me = readMe(body);
    if (me === null) return;
    this.#resume = me.resumeToken ?? this.#resume;
    // The notice of a token before any join names no room.
    if (me.resumeToken !== undefined && me.roomId === undefined) return;
    this.#sid = me.sid;
    const first = !this.#joined;
    if (first) {
      clearTimeout(this.#joinTimer);
      this.#joined = true;
      this.#attempt = 0;
      this.#refusals = 0;
      this.#lossTold = false;
    }
    this.#told("me", me.sid, me.iceServers ?? null);
    if (!first) return;
    if (this.#joinedBefore) this.#told("back");
    this.#joinedBefore = true;
    for (const message of this.#kept.splice(0)) this.send(message);
  }

  #notice(body) {
    const { code, message } = readNotice(body);
    if (NOTICES.includes(code) || (code === "NOT_A_MEMBER" && !this.#joined)) return;
    if (this.#joined) return;
    // After an outage the seat of the lost session may still count for a while: the clock asks again.
    this.#refusals += 1;
    if (this.#joinedBefore && this.#refusals < MOST_REFUSALS) return;
    if (!this.#joinedBefore) clearTimeout(this.#joinTimer);
    this.#told("refused", code, message);
  }

  #signal(body, headers) {
    const message = parse(body);
    if (message === null || typeof message !== "object") return;
    // The header is the server's proof of the sender; without one the label in the body has to do.
    const from = headers.sid ?? (typeof message.sid === "string" ? message.sid : null);
    if (message.type === "READY") this.#told("ready");
    else if (message.type === "LEAVE") this.#told("left", from);
    else if (from !== this.#sid || from === null) this.#told("signal", from, message);
  }

  #closed(words) {
    clearTimeout(this.#joinTimer);
    this.#stomp = null;
    this.#joined = false;
    if (this.#leaving && parting !== this) return;
    if (this.#leaving && this.#attempt >= MOST_GOODBYES) {
      parting = null;
      return;
    }
    if (!this.#lossTold) {
      this.#lossTold = true;
      this.#told("lost", words);
    }
    const longest = Math.min(PAUSE * 2 ** this.#attempt, LONGEST_PAUSE);
    this.#attempt += 1;
    // Half of it by chance, so that all who lost a server do not come back at once.
    this.#dialTimer = setTimeout(() => this.#dial(), longest * (0.5 + Math.random() / 2));
  }

  #told(kind, ...words) {
    if (!this.#leaving) this.#tell(kind, ...words);
  }
}

/** `{"sid":…}`, or the bare id as some Spring applications send it. */
function readMe(body) {
  const me = parse(body) ?? body.trim();
  if (typeof me === "string") return me === "" ? null : { sid: me, roomId: "" };
  return typeof me?.sid === "string" ? me : null;
}

/** Ids, objects with a `sid`, or either below `members`. */
function readMembers(body) {
  const parsed = parse(body);
  const list = Array.isArray(parsed) ? parsed : parsed?.members;
  if (!Array.isArray(list)) return null;
  return list.map((entry) => (typeof entry === "string" ? entry : entry?.sid)).filter((sid) => typeof sid === "string");
}

/** `{"code":…,"message":…}`, or the sentence alone. */
function readNotice(body) {
  const parsed = parse(body);
  const message = typeof parsed === "string" ? parsed : (parsed?.message ?? body);
  const code = parsed?.code ?? (/room is full/i.test(message) ? "ROOM_FULL" : "REFUSED");
  return { code, message };
}

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
