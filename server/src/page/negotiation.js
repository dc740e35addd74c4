// Offers and answers between two (perfect negotiation), over one connection after the other: the polite one takes its
// offer back when both have made one, the impolite one only when its own stays unanswered for 2 s.
//
// What it tells, as `tell(kind, ...)`:
//   anew              the other one is another page than the one so far: start again
//   state(connectionState)  track(track)  linked(pc)  failed

import { Link } from "./link.js";

/** For the answer to our offer when theirs lies here, in milliseconds. */
const GLARE = 2000;
/** Candidates kept until there is a description to add them to. */
const MOST_EARLY = 256;

export class Negotiation {
  #options;
  #timers;
  #link = null;
  /** Our own offer: none, making, sent. */
  #offer = "none";
  /** The other side's offer that came while ours was out, when we are the impolite one. */
  #ignored = null;
  #hasRemote = false;
  #pendingRemote = 0;
  #described = false;
  #offered = false;
  #early = [];

  /**
   * `send`, `local`, `config` and `codec` are those of a Call; `isImpolite()`; with `insists` an offer of ours is never
   * taken back for theirs. Of `timers` it uses "offer", which its own offer or theirs stops, and "glare".
   */
  constructor({ send, tell, local, config, codec, isImpolite, insists, timers }) {
    this.#options = { send, tell, local, config, codec, isImpolite, insists };
    this.#timers = timers;
  }

  get pc() {
    return this.#link?.pc ?? null;
  }

  /** Whether both sides have described themselves on this connection. */
  get described() {
    return this.#described;
  }

  /** Whether we have made an offer in this call. */
  get offered() {
    return this.#offered;
  }

  /** A new connection in place of the old one. Early candidates belong to what comes, so they stay. */
  fresh() {
    this.#link?.close();
    this.#forget();
    const { local, config, codec, tell } = this.#options;
    this.#link = new Link({ config: config(), local, codec, tell: (...words) => this.#linked(...words) });
    tell("linked", this.#link.pc);
  }

  close() {
    this.#link?.close();
    this.#link = null;
    this.#forget();
    this.#offered = false;
    this.#early = [];
  }

  /** Sends another track, or nothing. */
  replaceTrack(kind, track) {
    this.#link?.replaceTrack(kind, track);
  }

  makeOffer(iceRestart) {
    if (this.#offer !== "none") return;
    this.#timers.stop("offer");
    this.#offer = "making";
    this.#link.offer(this.#options.config(), iceRestart);
  }

  takeBack() {
    if (this.#offer === "none") return;
    this.#offer = "none";
    // Sections of an offer that was taken back fit no offer of the other side; an unused connection is no loss.
    if (this.#hasRemote) this.#link.rollback();
    else this.fresh();
  }

  /** Whatever was out is void: the server forgot it. */
  drop() {
    this.#ignored = null;
    this.#timers.stop("glare");
    this.takeBack();
  }

  remoteOffer(sdp) {
    const { isImpolite, insists, tell } = this.#options;
    this.#timers.stop("offer");
    if (this.#link.isStranger(sdp)) {
      // The other page was loaded anew while the server could not tell us.
      tell("anew");
    } else if (this.#offer !== "none") {
      if (isImpolite()) {
        this.#ignored = sdp;
        if (insists) return;
        this.#timers.after("glare", GLARE, () => {
          this.takeBack();
          this.#accept(sdp);
        });
        return;
      }
      this.takeBack();
    }
    this.#accept(sdp);
  }

  remoteAnswer(sdp) {
    if (this.#offer !== "sent") return;
    this.#timers.stop("glare");
    this.#ignored = null;
    if (this.#link.isStranger(sdp)) {
      this.#options.tell("anew");
      this.makeOffer(false);
      return;
    }
    this.#offer = "none";
    this.#described = true;
    this.#pendingRemote += 1;
    this.#link.acceptAnswer(sdp);
  }

  /** Of a signal: an RTCIceCandidateInit, nested or flat. */
  remoteCandidate(message) {
    const candidate = readCandidate(message);
    if (candidate === null) return;
    if (this.#hasRemote && this.#pendingRemote === 0 && this.#ignored === null) this.#link.addCandidate(candidate);
    else if (this.#early.length < MOST_EARLY) this.#early.push(candidate);
  }

  #accept(sdp) {
    this.#ignored = null;
    this.#pendingRemote += 1;
    this.#link.acceptOffer(sdp);
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
    } else if (kind === "state" || kind === "track") {
      tell(kind, words[0]);
    } else if (kind === "failed") {
      const [what, reason] = words;
      console.warn(`${what}: ${reason}`);
      // Candidates of an offer that was taken back fit nothing any more; that is no fault.
      if (["offer", "acceptOffer", "acceptAnswer"].includes(what)) tell("failed");
    }
  }

  #forget() {
    this.#offer = "none";
    this.#ignored = null;
    this.#hasRemote = false;
    this.#pendingRemote = 0;
    this.#described = false;
  }
}

/** Null for the end of the candidates. */
function readCandidate({ candidate, sdpMid, sdpMLineIndex }) {
  const init = typeof candidate === "string" ? { candidate, sdpMid, sdpMLineIndex } : candidate;
  if (typeof init?.candidate !== "string" || init.candidate === "") return null;
  // A browser wants to know the section; with everything in one bundle the first one is as good as any.
  if ((init.sdpMid ?? null) === null && (init.sdpMLineIndex ?? null) === null) return { ...init, sdpMLineIndex: 0 };
  return init;
}
