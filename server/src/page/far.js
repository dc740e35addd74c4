// The other one's picture and sound: what plays them, and whether they come.

/** Without a new picture for this long, in milliseconds, we say so. */
const STALLED = 2500;

export class Far {
  #video;
  #changed;
  #stream = new MediaStream();
  #pictures = { count: 0, at: performance.now() };
  /** Whether the browser wants to be asked before it plays. */
  blocked = false;

  /** `changed()` is called when `blocked` may be another. */
  constructor(video, changed) {
    this.#video = video;
    this.#changed = changed;
  }

  add(track) {
    for (const old of this.#stream.getTracks()) if (old.kind === track.kind) this.#stream.removeTrack(old);
    this.#stream.addTrack(track);
    // Not before there is a track: a page counts as loading while its video waits for one.
    if (this.#video.srcObject === null) this.#video.srcObject = this.#stream;
    this.play();
  }

  async play() {
    if (this.#video.srcObject === null) return;
    try {
      await this.#video.play();
      this.blocked = false;
    } catch (error) {
      // Anything else than a forbidden start is one that a newer stream has overtaken.
      this.blocked = error.name === "NotAllowedError";
    }
    this.#changed();
  }

  clear() {
    for (const track of this.#stream.getTracks()) this.#stream.removeTrack(track);
    // Else its last picture stays.
    this.#video.srcObject = null;
    this.blocked = false;
  }

  /** So many pictures have come in all. */
  count(pictures) {
    if (pictures !== this.#pictures.count) this.restart(pictures);
  }

  /** The time without a picture begins now. */
  restart(count = 0) {
    this.#pictures = { count, at: performance.now() };
  }

  get isStalled() {
    return performance.now() - this.#pictures.at > STALLED;
  }
}
