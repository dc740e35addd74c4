// What getStats says about a call, once a second, in the words that a person needs: and how good that is.

/** In milliseconds. */
const EVERY = 1000;
/** What is still good and what is still fair; beyond that it is poor. */
const LIMITS = {
  rttMs: [200, 450],
  lossPercent: [2, 8],
  freezeMs: [100, 600],
};

export class Quality {
  #timer = null;
  #tell;
  #before = null;

  /** `tell(stats)`, see `summary`; with null when there is no call any more. */
  constructor(tell) {
    this.#tell = tell;
  }

  watch(pc) {
    this.stop();
    const look = async () => {
      let report;
      try {
        report = await pc.getStats();
      } catch {
        return;
      }
      if (this.#timer === null || pc.connectionState === "closed") return;
      const now = raw(report);
      this.#tell(summary(now, this.#before));
      this.#before = now;
    };
    this.#timer = setInterval(look, EVERY);
    look();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#before = null;
    this.#tell(null);
  }
}

/** The few entries that count, out of some hundred. */
function raw(report) {
  const found = { at: null, pair: null, in: {}, out: {}, answers: {} };
  const get = (id) => (id === undefined ? undefined : report.get(id));
  let selected;
  for (const entry of report.values()) {
    // When it was counted; a page that is kept from running learns of two counts at once.
    if (["transport", "candidate-pair"].includes(entry.type)) found.at = entry.timestamp;
    if (entry.type === "transport") selected = get(entry.selectedCandidatePairId) ?? selected;
    // Firefox marks the pair itself.
    if (entry.type === "candidate-pair" && entry.selected) selected = entry;
    if (entry.type === "inbound-rtp") found.in[entry.kind] = { ...entry, mime: get(entry.codecId)?.mimeType };
    if (entry.type === "outbound-rtp") found.out[entry.kind] = { ...entry, mime: get(entry.codecId)?.mimeType };
    if (entry.type === "remote-inbound-rtp") found.answers[entry.kind] = entry;
  }
  if (selected !== undefined) {
    found.pair = { entry: selected, local: get(selected.localCandidateId), remote: get(selected.remoteCandidateId) };
  }
  return found;
}

function summary(now, before) {
  const isTimed = now.at !== null && (before?.at ?? null) !== null;
  const seconds = isTimed ? Math.max(now.at - before.at, 0) / 1000 : 0;
  const grown = (from, kind, field) => Math.max((now[from][kind]?.[field] ?? 0) - (before?.[from][kind]?.[field] ?? 0), 0);
  const kbps = (from, kind, field) => (seconds > 0 ? Math.round((grown(from, kind, field) * 8) / seconds / 1000) : 0);
  const received = grown("in", "video", "packetsReceived") + grown("in", "audio", "packetsReceived");
  const lost = grown("in", "video", "packetsLost") + grown("in", "audio", "packetsLost");
  const rtt = now.pair?.entry.currentRoundTripTime ?? now.answers.video?.roundTripTime ?? now.answers.audio?.roundTripTime;
  const stats = {
    pair: pairOf(now.pair),
    rttMs: rtt === undefined ? null : Math.round(rtt * 10_000) / 10,
    lossPercent: received + lost === 0 ? 0 : Math.round((1000 * lost) / (received + lost)) / 10,
    freezes: now.in.video?.freezeCount ?? null,
    freezeMs: Math.round((now.in.video?.totalFreezesDuration ?? 0) * 1000),
    recentFreezeMs: Math.round(grown("in", "video", "totalFreezesDuration") * 1000),
    received: {
      videoKbps: kbps("in", "video", "bytesReceived"),
      audioKbps: kbps("in", "audio", "bytesReceived"),
      fps: rate(grown("in", "video", "framesDecoded"), seconds),
      width: now.in.video?.frameWidth ?? 0,
      height: now.in.video?.frameHeight ?? 0,
      frames: now.in.video?.framesDecoded ?? 0,
      videoCodec: codec(now.in.video),
      audioCodec: codec(now.in.audio),
      audioEnergy: now.in.audio?.totalAudioEnergy ?? 0,
      packets: (now.in.video?.packetsReceived ?? 0) + (now.in.audio?.packetsReceived ?? 0),
      lost: (now.in.video?.packetsLost ?? 0) + (now.in.audio?.packetsLost ?? 0),
    },
    sent: {
      videoKbps: kbps("out", "video", "bytesSent"),
      audioKbps: kbps("out", "audio", "bytesSent"),
      fps: rate(grown("out", "video", "framesEncoded"), seconds),
      width: now.out.video?.frameWidth ?? 0,
      height: now.out.video?.frameHeight ?? 0,
      frames: now.out.video?.framesEncoded ?? 0,
      videoCodec: codec(now.out.video),
      audioCodec: codec(now.out.audio),
    },
  };
  return { ...stats, grade: grade(stats, seconds) };
}

function pairOf(pair) {
  const side = (candidate) => ({
    type: candidate?.candidateType ?? "unknown",
    protocol: candidate?.protocol ?? "unknown",
    // How the relay itself is reached; browsers tell it of their own candidates only.
    relayProtocol: candidate?.relayProtocol || null,
    address: candidate?.address ? `${bracketed(candidate.address)}:${candidate.port}` : null,
  });
  return pair === null ? null : { local: side(pair.local), remote: side(pair.remote) };
}

/** An IPv6 address needs brackets before a port (RFC 3986 section 3.2.2). */
function bracketed(address) {
  return address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
}

/** good, fair, poor; null before there is anything to say. */
function grade({ rttMs, lossPercent, recentFreezeMs }, seconds) {
  if (seconds === 0) return null;
  const rank = (value, [good, fair]) => (value <= good ? 0 : value <= fair ? 1 : 2);
  const worst = Math.max(rank(rttMs ?? 0, LIMITS.rttMs), rank(lossPercent, LIMITS.lossPercent), rank(recentFreezeMs, LIMITS.freezeMs));
  return ["good", "fair", "poor"][worst];
}

function rate(count, seconds) {
  return seconds > 0 ? Math.round((count * 10) / seconds) / 10 : 0;
}

function codec(stream) {
  return stream?.mime?.split("/")[1] ?? null;
}
