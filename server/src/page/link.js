// The RTCPeerConnection of one call. It does what it is told, one thing after the other, and reports:
//   description(type, sdp)  candidate(init)  accepted(type)  state(connectionState)  track(track)  failed(what, words)

/** Audio first, then video, as everybody expects to find them. */
const KINDS = ["audio", "video"];

export class Link {
  #pc;
  #tell;
  #local;
  #codec;
  #work = Promise.resolve();
  #closed = false;
  /** Which offer is meant at the moment; one that was taken back is not told any more. */
  #offer = 0;

  /** `local()`: what to send, `{audio, video, stream}`; `codec`: the video codec to prefer, such as "H264". */
  constructor({ config, local, codec, tell }) {
    this.#local = local;
    this.#codec = codec ?? null;
    this.#tell = (...words) => this.#closed || tell(...words);
    this.#pc = new RTCPeerConnection(config);
    this.#pc.onicecandidate = ({ candidate }) => {
      // Not every client takes an empty candidate, and none needs it.
      if (candidate !== null && candidate.candidate !== "") this.#tell("candidate", candidate.toJSON());
    };
    this.#pc.onconnectionstatechange = () => this.#tell("state", this.#pc.connectionState);
    this.#pc.ontrack = ({ track }) => this.#tell("track", track);
  }

  get pc() {
    return this.#pc;
  }

  /** Makes an offer and tells it. */
  offer(config, iceRestart) {
    const number = ++this.#offer;
    this.#do("offer", async (pc) => {
      if (number !== this.#offer) return;
      if (iceRestart) refresh(pc, config);
      if (pc.getTransceivers().length === 0) this.#addTransceivers(pc);
      await pc.setLocalDescription(await pc.createOffer({ iceRestart }));
      if (number === this.#offer) this.#tell("description", "offer", pc.localDescription.sdp);
    });
  }

  /** Takes our unanswered offer back. */
  rollback() {
    this.#offer += 1;
    this.#do("rollback", async (pc) => {
      if (pc.signalingState === "have-local-offer") await pc.setLocalDescription({ type: "rollback" });
    });
  }

  /** Sets the other side's offer, tells that, answers it and tells the answer. */
  acceptOffer(sdp) {
    this.#do("acceptOffer", async (pc) => {
      await pc.setRemoteDescription({ type: "offer", sdp });
      this.#tell("accepted", "offer");
      await this.#fillTransceivers(pc);
      await pc.setLocalDescription(await pc.createAnswer());
      this.#tell("description", "answer", pc.localDescription.sdp);
    });
  }

  acceptAnswer(sdp) {
    this.#do("acceptAnswer", async (pc) => {
      await pc.setRemoteDescription({ type: "answer", sdp });
      this.#tell("accepted", "answer");
    });
  }

  addCandidate(candidate) {
    this.#do("addCandidate", (pc) => pc.addIceCandidate(candidate));
  }

  /** Sends another track of this kind, or nothing; needs no negotiation. */
  replaceTrack(kind, track) {
    this.#do("replaceTrack", (pc) => pc.getSenders().find((sender) => this.#sends(sender, kind))?.replaceTrack(track));
  }

  /** Whether this description was made by another connection than the one that is set: then it is another peer. */
  isStranger(sdp) {
    const known = this.#pc.remoteDescription;
    return known !== null && fingerprint(known.sdp) !== fingerprint(sdp);
  }

  close() {
    this.#closed = true;
    this.#pc.close();
  }

  #do(what, job) {
    this.#work = this.#work.then(async () => {
      if (this.#closed) return;
      try {
        await job(this.#pc);
      } catch (error) {
        this.#tell("failed", what, error.message);
      }
    });
  }

  /** Both kinds, whatever there is to send: so a camera that comes later needs no new negotiation. */
  #addTransceivers(pc) {
    const { stream, ...tracks } = this.#local();
    for (const kind of KINDS) {
      const transceiver = pc.addTransceiver(tracks[kind] ?? kind, { direction: "sendrecv", streams: [stream] });
      if (kind === "video") this.#prefer(transceiver);
    }
  }

  /** Sends in the sections that the other side has made. */
  async #fillTransceivers(pc) {
    const { stream, ...tracks } = this.#local();
    for (const kind of KINDS) {
      const open = (transceiver) => transceiver.receiver.track.kind === kind && transceiver.currentDirection !== "stopped";
      const transceiver = pc.getTransceivers().find(open);
      if (transceiver === undefined) continue;
      transceiver.direction = "sendrecv";
      transceiver.sender.setStreams?.(stream);
      await transceiver.sender.replaceTrack(tracks[kind] ?? null);
      if (kind === "video") this.#prefer(transceiver);
    }
  }

  #prefer(transceiver) {
    const codecs = this.#codec === null ? undefined : RTCRtpReceiver.getCapabilities?.("video")?.codecs;
    if (codecs === undefined) return;
    const rank = ({ mimeType }) => (mimeType.toLowerCase() === `video/${this.#codec.toLowerCase()}` ? 0 : 1);
    transceiver.setCodecPreferences?.([...codecs].sort((a, b) => rank(a) - rank(b)));
  }

  #sends(sender, kind) {
    const transceiver = this.#pc.getTransceivers().find((candidate) => candidate.sender === sender);
    return transceiver?.receiver.track.kind === kind;
  }
}

/** TURN logins expire: a restart uses the ones that the server gave last. */
function refresh(pc, config) {
  try {
    pc.setConfiguration(config);
  } catch {
    // Without it the old ones have to do.
  }
}

function fingerprint(sdp) {
  return /^a=fingerprint:(.*)$/m.exec(sdp)?.[1].trim().toLowerCase() ?? null;
}
