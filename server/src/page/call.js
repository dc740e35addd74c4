// The rules of a call between two, the same that peer-cli follows: the member with the smaller session id offers, the
// other one answers and is polite (perfect negotiation); no offer within 2 s, and the answerer offers; an offer of ours
// that stays unanswered for 2 s while one of theirs lies here is taken back and theirs is answered.
//
// What it tells, as `tell(kind, ...)`:
//   phase(name, why)  name: waiting, connecting, connected, reconnecting; why: left, or nothing
//   failed(why)       why: no-offer, no-answer, no-path, lost, description; the call is over
//   track(track)      linked(pc)

import { Negotiation } from "./negotiation.js";
import { Timers } from "./timers.js";

/** In milliseconds. */
const PATIENCE = {
  /** For a READY after a member list of two. */
  ready: 500,
  /** For the other side's offer. */
  offer: 2000,
  /** From READY to media. */
  connect: 25_000,
  /** For media to come back after it was cut. */
  recover: 60_000,
};

export class Call {
  #options;
  #negotiation;
  #stage = "waiting";
  #me = null;
  #other = null;
  /** Whether the last member list, on this connection to the server, had the other one in it. */
  #sawOther = false;
  /** The server was lost before media flowed: the next READY starts anew. */
  #lostWhileConnecting = false;
  #timers = new Timers();

  /**
   * `send(message)` gives a signal to the server, `local()` says what to send (see Link), `config()` gives the
   * RTCConfiguration; `codec` is preferred; `rule` is for tests: whatever the ids say, "always" offers, "insist"
   * does and takes no other offer until it is answered, "never" leaves it to the other side.
   */
  constructor({ send, tell, local, config, codec, rule }) {
    this.#options = { tell, rule };
    this.#negotiation = new Negotiation({
      send,
      tell: (...words) => this.#told(...words),
      local,
      config,
      codec,
      isImpolite: () => this.#isImpolite(),
      insists: rule === "insist",
      timers: this.#timers,
    });
  }

  get pc() {
    return this.#negotiation.pc;
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
      this.#timers.after("ready", PATIENCE.ready, () => this.ready());
    }
    // READY had overtaken the list that says who offers.
    if (this.#stage === "connecting" && this.#timers.has("offer") && this.#isImpolite()) this.#negotiation.makeOffer(false);
  }

  ready() {
    if (this.#stage === "waiting") {
      this.#startConnecting();
      this.#offerOrWait();
    } else if (this.#stage === "connecting" && this.#lostWhileConnecting) {
      // The server forgot the room, and both are in it again: whatever was out is void.
      this.#lostWhileConnecting = false;
      this.#timers.stop("ready");
      this.#negotiation.drop();
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
    if (type === "OFFER") this.#negotiation.remoteOffer(sdp);
    else if (type === "ANSWER") this.#negotiation.remoteAnswer(sdp);
    else if (type === "CANDIDATE") this.#negotiation.remoteCandidate(message);
  }

  /** Sends another track, or nothing. */
  replaceTrack(kind, track) {
    this.#negotiation.replaceTrack(kind, track);
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
    this.#timers.stop("ready", "offer", "glare", "restart", "recover");
    this.#timers.after("connect", PATIENCE.connect, () => this.#notConnected());
    this.#negotiation.fresh();
    this.#phase("connecting");
  }

  /** Where the other one's id is not known, waiting is right: its offer will tell. */
  #offerOrWait() {
    const { rule } = this.#options;
    if (rule === "always" || this.#isImpolite()) this.#negotiation.makeOffer(false);
    else if (rule !== "never") this.#timers.after("offer", PATIENCE.offer, () => this.#negotiation.makeOffer(false));
  }

  /** Session ids are compared by their bytes, which for the letters of ids is how strings compare. */
  #isImpolite() {
    const { rule } = this.#options;
    if (rule === "insist" || rule === "never") return rule === "insist";
    return this.#me !== null && this.#other !== null && this.#me < this.#other;
  }

  #told(kind, ...words) {
    if (kind === "anew") this.#startConnecting();
    else if (kind === "state") this.#state(words[0]);
    else if (kind === "failed") this.#fail("description");
    else this.#options.tell(kind, ...words);
  }

  #state(state) {
    if (state === "connected" && this.#stage !== "connected") {
      this.#timers.stop("connect", "offer", "restart", "recover");
      this.#lostWhileConnecting = false;
      this.#phase("connected");
    } else if (state === "failed" && this.#stage === "connecting") {
      this.#fail("no-path");
    } else if (["disconnected", "failed"].includes(state) && this.#stage === "connected") {
      this.#phase("reconnecting");
      this.#timers.after("recover", PATIENCE.recover, () => this.#fail("lost"));
      // The impolite side restarts soon; the polite one only when nothing comes of that.
      this.#timers.after("restart", PATIENCE.offer * (this.#isImpolite() ? 1 : 4), () => this.#restart());
    }
  }

  /** An offer that was not answered went into a dead network, so a restart is repeated until media is back. */
  #restart() {
    if (this.#stage !== "reconnecting") return;
    this.#negotiation.takeBack();
    this.#negotiation.makeOffer(true);
    this.#timers.after("restart", PATIENCE.offer * (this.#isImpolite() ? 2 : 4), () => this.#restart());
  }

  #notConnected() {
    if (this.#negotiation.described) this.#fail("no-path");
    else this.#fail(this.#negotiation.offered && this.#isImpolite() ? "no-answer" : "no-offer");
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
    this.#negotiation.close();
    this.#timers.stopAll();
    this.#lostWhileConnecting = false;
  }
}
