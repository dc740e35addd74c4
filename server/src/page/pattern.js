// The picture and the sound that peer-cli sends, for `?media=pattern`.

import { FPS, HEIGHT, Painter, WIDTH } from "./paint.js";
import { liveFrames } from "./stamp.js";

const TAU = 2 * Math.PI;
const RATE = 48_000;
/** How long to wait for the sound to begin, in milliseconds. */
const PATIENCE = 500;
/** The colours of a camera; a canvas would be sent in another range, which not every receiver knows. */
const COLOURS = { primaries: "smpte170m", transfer: "smpte170m", matrix: "smpte170m", fullRange: false };

/** Stamps and tones belong together: peers 2N and 2N + 1 are in call N. */
export function toneOf(peer) {
  return (peer % 2 === 0 ? 400 : 1000) + 4 * Math.floor(peer / 2);
}

/** A source of the pattern of that peer, 0 to 255. Before its start it shows its first picture and is silent. */
export class Pattern {
  #painter;
  #rgba = new Uint8ClampedArray(WIDTH * HEIGHT * 4);
  #out;
  #audio;
  #sound = new AudioContext({ sampleRate: RATE });
  #player;
  #ticks = new Worker("/assets/tick.js");
  #begun = null;
  #last = -1;

  constructor(peer) {
    this.#painter = new Painter(peer);
    this.#out = typeof MediaStreamTrackGenerator === "function" ? new FrameTrack() : new CanvasTrack();
    this.#out.track.contentHint = "motion";
    const out = this.#sound.createMediaStreamDestination();
    [this.#audio] = out.stream.getAudioTracks();
    this.#player = new AudioBufferSourceNode(this.#sound, { buffer: second(this.#sound, toneOf(peer)), loop: true });
    this.#player.connect(out);
    // A worker's clock goes on at its pace in a tab that nobody looks at.
    this.#ticks.onmessage = () => this.#tick();
    this.#ticks.postMessage(1000 / FPS);
  }

  get audio() {
    return this.#audio;
  }

  get video() {
    return this.#out.track;
  }

  /** Lets time run; to be called from a click, since a browser is silent before one. */
  async start() {
    // Where there is nothing to play sound on, it may never begin; pictures do not wait for it.
    await Promise.race([this.#sound.resume(), new Promise((done) => setTimeout(done, PATIENCE))]);
    if (this.#begun !== null) return;
    this.#player.start();
    this.#begun = performance.now();
  }

  #tick() {
    const passed = this.#begun === null ? 0 : performance.now() - this.#begun;
    const index = Math.floor((passed * FPS) / 1000) % liveFrames(FPS);
    if (index === this.#last && this.#begun !== null) return;
    this.#last = index;
    const moved = this.#painter.paint(this.#rgba, index, Date.now());
    this.#out.show(this.#rgba, () => this.#painter.planes(this.#rgba, moved));
  }
}

/** Whole frames in the colours that we say. */
class FrameTrack {
  #writer;

  constructor() {
    this.track = new MediaStreamTrackGenerator({ kind: "video" });
    this.#writer = this.track.writable.getWriter();
  }

  show(_, planes) {
    // A writer that is behind gets no more to do; the next picture is newer anyway.
    if (this.#writer.desiredSize <= 0) return;
    const timestamp = Math.round(performance.now() * 1000);
    const shape = { format: "I420", codedWidth: WIDTH, codedHeight: HEIGHT, timestamp, colorSpace: COLOURS };
    this.#writer.write(new VideoFrame(planes(), shape)).catch(() => {});
  }
}

/** Where there are no such frames: a canvas that gives a picture for each that is drawn. */
class CanvasTrack {
  #context;
  #image;
  #source;

  constructor() {
    const canvas = document.createElement("canvas");
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.#image = this.#context.createImageData(WIDTH, HEIGHT);
    const stream = canvas.captureStream(0);
    [this.track] = stream.getVideoTracks();
    // Firefox has it on the stream.
    this.#source = "requestFrame" in this.track ? this.track : stream;
  }

  show(rgba) {
    this.#image.data.set(rgba);
    this.#context.putImageData(this.#image, 0, 0);
    this.#source.requestFrame();
  }
}

/** A tone of whole hertz at -15 dBFS, and 5 ms of 3 kHz at the very start; repeated it does not click anywhere else. */
function second(context, hz) {
  const buffer = context.createBuffer(1, RATE, RATE);
  const samples = buffer.getChannelData(0);
  const long = RATE / 200;
  const edge = RATE / 2000;
  for (let at = 0; at < RATE; at += 1) {
    let sample = 8200 * Math.sin((TAU * hz * at) / RATE);
    if (at < long) {
      const softness = 0.5 - 0.5 * Math.cos((Math.PI * Math.min(at, long - at, edge)) / edge);
      sample += 23_200 * softness * Math.sin((TAU * 3000 * at) / RATE);
    }
    samples[at] = sample / 32_768;
  }
  return buffer;
}
