// The rules of a call between two, the same that peer-cli follows: the member with the smaller session id offers, the
// other one answers and is polite (perfect negotiation); no offer within 2 s, and the answerer offers; an offer of ours
// that stays unanswered for 2 s while one of theirs lies here is taken back and theirs is answered.
//
// What it tells, as `tell(kind, ...)`:
//   phase(name, why)  name: waiting, connecting, connected, reconnecting; why: left, or nothing
//   failed(why)       why: no-offer, no-answer, no-path, lost, description; the call is over
//   track(track)      linked(pc)

import { Link } from "./link.js";

/** In milliseconds. */
const PATIENCE = {
  /** For a READY after a member list of two. */
  ready: 500,
  /** For the other side's offer, and for the answer to ours when theirs lies here. */
  offer: 2000,
  /** From READY to media. */
  connect: 25_000,
  /** For media to come back after it was cut. */
  recover: 60_000,
};
/** Candidates kept until there is a description to add them to. */
const MOST_EARLY = 256;

export class Call {
  #options;
  #link = null;
  #stage = "waiting";
  #me = null;
  #other = null;
  /** Whether the last member list, on this connection to the server, had the other one in it. */
  #sawOther = false;
  /** The server was lost before media flowed: the next READY starts anew. */
  #lostWhileConnecting = false;
  /** Our own offer: none, making, sent. */
  #offer = "none";
  /** The other side's offer that came while ours was out, when we are the impolite one. */
  #ignored = null;
  #hasRemote = false;
  #pendingRemote = 0;
  #described = false;
  #offered = false;
  #early = [];
  #timers = new Map();

  /**
   * `send(message)` gives a signal to the server, `local()` says what to send (see Link), `config()` gives the
   * RTCConfiguration; `codec` is preferred; `rule` is for tests: whatever the ids say, "always" offers, "insist"
   * does and takes no other offer until it is answered, "never" leaves it to the other side.
   */
  constructor({ send, tell, local, config, codec, rule }) {
    this.#options = { send, tell, local, config, codec, rule };
  }

  get pc() {
    return this.#link?.pc ?? null;
  }

  get other() {
    return this.#other;
  }

  me(sid) {
    const first = this.#me === null;
    this.#me = sid;
    if (first) this.#phase("waiting");
  }

  members(sids) {
    const other = sids.find((sid) => sid !== this.#me) ?? null;
    const gone = this.#sawOther && other === null;
    this.#sawOther = other !== null;
    if (other === null) {
      if (gone) this.#left();
      return;
    }
    this.#other = other;
    const resumed = this.#stage === "connecting" && this.#lostWhileConnecting;
    if ((this.#stage === "waiting" || resumed) && !this.#timers.has("ready")) {
      this.#after("ready", PATIENCE.ready, () => this.ready());
    }
    // READY had overtaken the list that says who offers.
    if (this.#stage === "connecting" && this.#timers.has("offer") && this.#isImpolite()) this.#makeOffer(false);
  }

  ready() {
    if (this.#stage === "waiting") {
      this.#startConnecting();
      this.#offerOrWait();
    } else if (this.#stage === "connecting" && this.#lostWhileConnecting) {
      // The server forgot the room, and both are in it again: whatever was out is void.
      this.#lostWhileConnecting = false;
      this.#ignored = null;
      this.#stop("glare", "ready");
      this.#takeBack();
      this.#offerOrWait();
    }
  }

  left(who) {
    if ((who === null || who === this.#other) && who !== this.#me) this.#left();
  }

  /** A connection to the server is gone; media is not touched by that. */
  lost() {
    this.#sawOther = false;
    this.#lostWhileConnecting = this.#stage === "connecting";
  }

  /** It is back, and the room has been joined again. */
  back() {
    // What was offered meanwhile went nowhere.
    if (this.#stage === "reconnecting") this.#restart();
  }

  signal(from, message) {
    const { type, sdp } = message;
    if (this.#stage === "waiting") {
      if (from !== null) this.#other = from;
      // An offer is as good a sign of the second member as READY is.
      if (type === "OFFER") this.#startConnecting();
      else if (type !== "CANDIDATE") return;
    }
    if (type === "OFFER") this.#remoteOffer(sdp);
    else if (type === "ANSWER") this.#remoteAnswer(sdp);
    else if (type === "CANDIDATE") this.#remoteCandidate(readCandidate(message));
  }

  /** Sends another track, or nothing. */
  replaceTrack(kind, track) {
    this.#link?.replaceTrack(kind, track);
  }

  /** Tries the path again now, for instance because the network is another one. */
  hurry() {
    if (this.#stage === "reconnecting") this.#restart();
  }

  close() {
    this.#reset();
    this.#stage = "closed";
  }

  #left() {
    if (this.#stage === "closed") return;
    const had = this.#stage !== "waiting";
    this.#reset();
    this.#other = null;
    if (had) this.#phase("waiting", "left");
  }

  #startConnecting() {
    this.#lostWhileConnecting = false;
    this.#stop("ready", "offer", "glare", "restart", "recover");
    this.#after("connect", PATIENCE.connect, () => this.#notConnected());
    this.#fresh();
    this.#phase("connecting");
  }

  /** Where the other one's id is not known, waiting is right: its offer will tell. */
  #offerOrWait() {
    const { rule } = this.#options;
    if (rule === "always" || this.#isImpolite()) this.#makeOffer(false);
    else if (rule !== "never") this.#after("offer", PATIENCE.offer, () => this.#makeOffer(false));
  }

  /** Session ids are compared by their bytes, which for the letters of ids is how strings compare. */
  #isImpolite() {
    const { rule } = this.#options;
    if (rule === "insist" || rule === "never") return rule === "insist";
    return this.#me !== null && this.#other !== null && this.#me < this.#other;
  }

  #makeOffer(iceRestart) {
    if (this.#offer !== "none") return;
    this.#stop("offer");
    this.#offer = "making";
    this.#link.offer(this.#options.config(), iceRestart);
  }

  #remoteOffer(sdp) {
    this.#stop("offer");
    if (this.#link.isStranger(sdp)) {
      // The other page was loaded anew while the server could not tell us.
      this.#startConnecting();
    } else if (this.#offer !== "none") {
      if (this.#isImpolite()) {
        this.#ignored = sdp;
        if (this.#options.rule === "insist") return;
        this.#after("glare", PATIENCE.offer, () => {
          this.#takeBack();
          this.#accept(this.#ignored);
        });
        return;
      }
      this.#takeBack();
    }
    this.#accept(sdp);
  }

  #accept(sdp) {
    this.#ignored = null;
    this.#pendingRemote += 1;
    this.#link.acceptOffer(sdp);
  }

  #remoteAnswer(sdp) {
    if (this.#offer !== "sent") return;
    this.#stop("glare");
    this.#ignored = null;
    if (this.#link.isStranger(sdp)) {
      this.#startConnecting();
      this.#makeOffer(false);
      return;
    }
    this.#offer = "none";
    this.#described = true;
    this.#pendingRemote += 1;
    this.#link.acceptAnswer(sdp);
  }

  #remoteCandidate(candidate) {
    if (candidate === null) return;
    if (this.#hasRemote && this.#pendingRemote === 0 && this.#ignored === null) this.#link.addCandidate(candidate);
    else if (this.#early.length < MOST_EARLY) this.#early.push(candidate);
  }

  #takeBack() {
    if (this.#offer === "none") return;
    this.#offer = "none";
    // Sections of an offer that was taken back fit no offer of the other side; an unused connection is no loss.
    if (this.#hasRemote) this.#link.rollback();
    else this.#fresh();
  }

  /** A new connection in place of the old one. Early candidates belong to what comes, so they stay. */
  #fresh() {
    this.#link?.close();
    this.#offer = "none";
    this.#ignored = null;
    this.#hasRemote = false;
    this.#pendingRemote = 0;
    this.#described = false;
    const { local, config, codec, tell } = this.#options;
    this.#link = new Link({ config: config(), local, codec, tell: (...words) => this.#linked(...words) });
    tell("linked", this.#link.pc);
  }

  #linked(kind, ...words) {
    const { send, tell } = this.#options;
    if (kind === "description") {
      const [type, sdp] = words;
      if (type === "offer") {
        this.#offer = "sent";
        this.#offered = true;
      } else {
        this.#described = true;
      }
      send({ type: type.toUpperCase(), sdp });
    } else if (kind === "candidate") {
      send({ type: "CANDIDATE", candidate: words[0] });
    } else if (kind === "accepted") {
      this.#hasRemote = true;
      this.#pendingRemote -= 1;
      if (this.#pendingRemote === 0) for (const candidate of this.#early.splice(0)) this.#link.addCandidate(candidate);
    } else if (kind === "state") {
      this.#state(words[0]);
    } else if (kind === "track") {
      tell("track", words[0]);
    } else if (kind === "failed") {
      const [what, reason] = words;
      console.warn(`${what}: ${reason}`);
      // Candidates of an offer that was taken back fit nothing any more; that is no fault.
      if (["offer", "acceptOffer", "acceptAnswer"].includes(what)) this.#fail("description");
    }
  }

  #state(state) {
    if (state === "connected" && this.#stage !== "connected") {
      this.#stop("connect", "offer", "restart", "recover");
      this.#lostWhileConnecting = false;
      this.#phase("connected");
    } else if (state === "failed" && this.#stage === "connecting") {
      this.#fail("no-path");
    } else if (["disconnected", "failed"].includes(state) && this.#stage === "connected") {
      this.#phase("reconnecting");
      this.#after("recover", PATIENCE.recover, () => this.#fail("lost"));
      // The impolite side restarts soon; the polite one only when nothing comes of that.
      this.#after("restart", PATIENCE.offer * (this.#isImpolite() ? 1 : 4), () => this.#restart());
    }
  }

  /** An offer that was not answered went into a dead network, so a restart is repeated until media is back. */
  #restart() {
    if (this.#stage !== "reconnecting") return;
    this.#takeBack();
    this.#makeOffer(true);
    this.#after("restart", PATIENCE.offer * (this.#isImpolite() ? 2 : 4), () => this.#restart());
  }

  #notConnected() {
    if (this.#described) this.#fail("no-path");
    else this.#fail(this.#offered && this.#isImpolite() ? "no-answer" : "no-offer");
  }

  #fail(why) {
    this.close();
    this.#options.tell("failed", why);
  }

  #phase(name, why) {
    this.#stage = name;
    this.#options.tell("phase", name, why);
  }

  #reset() {
    this.#link?.close();
    this.#link = null;
    this.#stop(...this.#timers.keys());
    this.#offer = "none";
    this.#ignored = null;
    this.#hasRemote = false;
    this.#pendingRemote = 0;
    this.#described = false;
    this.#offered = false;
    this.#early = [];
    this.#lostWhileConnecting = false;
  }

  #after(name, ms, what) {
    this.#stop(name);
    const run = () => {
      this.#timers.delete(name);
      what();
    };
    this.#timers.set(name, setTimeout(run, ms));
  }

  #stop(...names) {
    for (const name of names) {
      clearTimeout(this.#timers.get(name));
      this.#timers.delete(name);
    }
  }
}

/** An RTCIceCandidateInit, nested or flat; null for the end of the candidates. */
function readCandidate({ candidate, sdpMid, sdpMLineIndex }) {
  const init = typeof candidate === "string" ? { candidate, sdpMid, sdpMLineIndex } : candidate;
  if (typeof init?.candidate !== "string" || init.candidate === "") return null;
  // A browser wants to know the section; with everything in one bundle the first one is as good as any.
  if ((init.sdpMid ?? null) === null && (init.sdpMLineIndex ?? null) === null) return { ...init, sdpMLineIndex: 0 };
  return init;
}
