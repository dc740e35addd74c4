// What comes from the far end, judged: the stamps in its pictures and the tone in its sound. For tests and for the
// details panel of a pattern call.

import { liveFrames, read, stripRows } from "./stamp.js";

/** Bins 1.5 Hz apart at 48 kHz. */
const FFT_SIZE = 32_768;
/** What a peer's tone may be, in Hz: the click at 3 kHz lies beyond it. */
const LOWEST = 50;
const HIGHEST = 2000;
/** Quieter than this is silence, in dB of one bin. */
const QUIET = -70;

export class Judge {
  #canvas = document.createElement("canvas");
  #context = this.#canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  #video;
  #seen = nothing();
  #sound = null;
  #source = null;
  #analyser = null;
  #stopPictures = () => {};

  /** `video`: the element that shows the far end. */
  constructor(video) {
    this.#video = video;
  }

  /** From a click: a browser is silent before one. */
  start() {
    this.#sound ??= new AudioContext();
    this.#sound.resume().catch(() => {});
  }

  /** Looks at this track from now on. */
  watch(track) {
    if (track.kind === "audio") this.#listen(track);
    else this.#look(track);
  }

  /** Forgets what it saw; the next call begins. */
  reset() {
    this.#stopPictures();
    this.#source?.disconnect();
    this.#source = null;
    this.#seen = nothing();
  }

  get snapshot() {
    return { ...this.#seen, toneHz: this.#tone(), soundState: this.#sound?.state ?? "off" };
  }

  #look(track) {
    this.#stopPictures();
    if (typeof MediaStreamTrackProcessor === "function") {
      // Sees every picture, also in a tab that nobody looks at.
      const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
      // At once: a picture that nobody fetches any more would be kept until it is collected as garbage.
      this.#stopPictures = () => reader.cancel().catch(() => {});
      this.#readAll(reader).catch((error) => console.warn(`judge: ${error.message}`));
      return;
    }
    let stopped = false;
    this.#stopPictures = () => {
      stopped = true;
    };
    const video = this.#video;
    const again = () => {
      if (stopped) return;
      if (video.videoWidth > 0) this.#picture(video, video.videoWidth, video.videoHeight);
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(again);
      else setTimeout(again, 20);
    };
    again();
  }

  async #readAll(reader) {
    for (;;) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      try {
        this.#picture(frame, frame.displayWidth, frame.displayHeight);
      } finally {
        frame.close();
      }
    }
  }

  /** Only the rows of the strips are drawn and read. */
  #picture(source, width, height) {
    const rows = Math.min(stripRows(height), height);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== rows) this.#canvas.height = rows;
    this.#context.drawImage(source, 0, 0, width, height, 0, 0, width, height);
    const stamp = read(this.#context.getImageData(0, 0, width, rows).data, width, height);
    const seen = this.#seen;
    seen.pictures += 1;
    seen.width = width;
    seen.height = height;
    if (stamp === null) return;
    const { index: before, peer, fps } = seen;
    const { unixMs, ...mark } = stamp;
    if (before === null || peer !== mark.peer || fps !== mark.fps) {
      seen.peers = [...new Set([...seen.peers, mark.peer])].slice(0, 16);
    } else {
      // Numbers go on from picture to picture, and over the end to 0: a loop's end lies nearer than a live one's.
      const cycle = unixMs === null ? 5 * fps : liveFrames(fps);
      const step = (((mark.index - before) % cycle) + cycle) % cycle;
      if (step === 0) seen.repeated += 1;
      else if (step <= cycle / 2) seen.missing += step - 1;
    }
    seen.stamped += 1;
    Object.assign(seen, mark);
    seen.latencyMs = unixMs === null ? null : ((Date.now() % 2 ** 32) - unixMs + 2 ** 32) % 2 ** 32;
  }

  #listen(track) {
    if (this.#sound === null) return;
    this.#source?.disconnect();
    this.#analyser ??= new AnalyserNode(this.#sound, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
    this.#source = this.#sound.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
  }

  /** The loudest frequency, between the bins too; null where nothing can be heard. */
  #tone() {
    if (this.#source === null || this.#sound.state !== "running") return null;
    const levels = new Float32Array(this.#analyser.frequencyBinCount);
    this.#analyser.getFloatFrequencyData(levels);
    const width = this.#sound.sampleRate / FFT_SIZE;
    let peak = Math.ceil(LOWEST / width);
    for (let bin = peak; bin < HIGHEST / width; bin += 1) if (levels[bin] > levels[peak]) peak = bin;
    if (!(levels[peak] > QUIET)) return null;
    const [left, middle, right] = [levels[peak - 1], levels[peak], levels[peak + 1]];
    const curve = left - 2 * middle + right;
    const shift = curve === 0 ? 0 : (left - right) / (2 * curve);
    return Math.round((peak + shift) * width * 10) / 10;
  }
}

function nothing() {
  return {
    pictures: 0,
    stamped: 0,
    repeated: 0,
    missing: 0,
    peer: null,
    peers: [],
    fps: null,
    index: null,
    latencyMs: null,
    width: 0,
    height: 0,
  };
}
