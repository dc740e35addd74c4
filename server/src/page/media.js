// Microphone, camera and screen: what is to be sent, what there is to choose from, and why something is not there.

const KINDS = ["audio", "video"];
const WISHES = { audio: {}, video: { width: { ideal: 1280 }, height: { ideal: 720 } } };
/** What the browser calls it, and what it means. */
const PROBLEMS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
};

export class Media {
  #changed;
  #tracks = { audio: null, video: null };
  #wanted = { audio: true, video: true };
  #chosen = { audio: null, video: null };
  /** null, denied, missing, busy, lost or insecure. */
  #problem = { audio: null, video: null };
  #screen = null;
  #screenStream = null;
  #pattern = null;
  #stream = new MediaStream();
  #work = Promise.resolve();

  /** `changed(kind)` is called when something else is to be sent, or when there is something else to show. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Sends a drawn pattern in place of what devices give. */
  usePattern(pattern) {
    this.#pattern = pattern;
    this.#set("audio", pattern.audio);
    this.#set("video", pattern.video);
  }

  /** The name under which both tracks belong together at the other side. */
  get stream() {
    return this.#stream;
  }

  /** What to show of ourselves: the screen while it is shared, else the camera. */
  get shown() {
    return this.#screen === null ? this.#stream : this.#screenStream;
  }

  get isScreenShared() {
    return this.#screen !== null;
  }

  static get canShareScreen() {
    return typeof navigator.mediaDevices?.getDisplayMedia === "function";
  }

  /** For audio and video each: whether it is on, what its device is called, and why there is none. */
  get state() {
    const each = (what) => Object.fromEntries(KINDS.map((kind) => [kind, what(kind)]));
    const devices = each((kind) => this.#tracks[kind]?.label ?? null);
    return { on: each((kind) => this.isOn(kind)), devices, problems: { ...this.#problem } };
  }

  /** The device in use; the empty id while it is off. */
  deviceId(kind) {
    return this.isOn(kind) ? (this.#tracks[kind].getSettings().deviceId ?? "") : "";
  }

  /** Whether the microphone or the camera is on. */
  isOn(kind) {
    return this.#tracks[kind] !== null && this.#wanted[kind];
  }

  /** What to send; null for nothing. */
  outgoing(kind) {
    if (kind === "video" && this.#screen !== null) return this.#screen;
    return kind === "audio" || this.#wanted.video ? this.#tracks[kind] : null;
  }

  /** Asks for the microphone and the camera, together where that is possible. */
  open() {
    return this.#next(async () => {
      if (this.#pattern !== null) return;
      const kinds = KINDS.filter((kind) => this.#wanted[kind] && this.#tracks[kind] === null);
      if (kinds.length < 2) {
        for (const kind of kinds) await this.#ask([kind]);
      } else if ((await this.#ask(kinds)) === "denied") {
        await this.#askForWhatIsLeft();
      }
    });
  }

  /** Switches the microphone or the camera; a camera that is off is given back, so its light goes out. */
  toggle(kind) {
    return this.#next(async () => {
      if (this.isOn(kind)) this.#switchOff(kind);
      else await this.#switchOn(kind);
    });
  }

  /** Takes another device; the empty id switches it off. */
  choose(kind, deviceId) {
    return this.#next(async () => {
      if (deviceId === "") return this.#switchOff(kind);
      this.#wanted[kind] = true;
      this.#chosen[kind] = deviceId;
      if (this.#pattern !== null) return;
      // Phones open no second camera while the first one is open.
      this.#drop(kind);
      await this.#ask([kind]);
    });
  }

  /** Sends the screen in place of the camera until that is ended, here or by the browser. */
  async shareScreen() {
    this.#screenStream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: false });
    [this.#screen] = this.#screenStream.getVideoTracks();
    this.#screen.contentHint = "detail";
    this.#screen.onended = () => this.stopScreen();
    this.#changed("video");
  }

  stopScreen() {
    this.#screen?.stop();
    this.#screen = null;
    this.#changed("video");
  }

  /** Gives every device back; what was on and what was chosen stays so for the next time. */
  close() {
    this.#screen?.stop();
    this.#screen = null;
    return this.#next(async () => {
      if (this.#pattern === null) for (const kind of KINDS) this.#drop(kind);
      for (const kind of KINDS) this.#changed(kind);
    });
  }

  /** What there is to choose from: `{audioinput, videoinput, audiooutput}`, each `[{id, label}]`. */
  async devices() {
    const lists = { audioinput: [], videoinput: [], audiooutput: [] };
    const found = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
    for (const { kind, deviceId, label } of found) {
      // Before the first permission there are neither ids nor names.
      if (deviceId !== "" && kind in lists) lists[kind].push({ id: deviceId, label });
    }
    return lists;
  }

  /** One thing after the other: a browser may take long to answer, and people press twice. */
  #next(job) {
    this.#work = this.#work.then(job).catch((error) => console.warn(`media: ${error.message}`));
    return this.#work;
  }

  #switchOff(kind) {
    this.#wanted[kind] = false;
    if (this.#tracks[kind] === null) return;
    if (kind === "audio" || this.#pattern !== null) this.#tracks[kind].enabled = kind === "video";
    else this.#drop(kind);
    this.#changed(kind);
  }

  async #switchOn(kind) {
    this.#wanted[kind] = true;
    if (this.#tracks[kind] === null) return this.#ask([kind]);
    this.#tracks[kind].enabled = true;
    return this.#changed(kind);
  }

  /** Both together were refused: one of them may be allowed. Where both are undecided, asking again only annoys. */
  async #askForWhatIsLeft() {
    const states = { audio: await permission("audio"), video: await permission("video") };
    for (const [kind, other] of [KINDS, [...KINDS].reverse()]) {
      if (states[kind] === "granted" || (states[kind] === "prompt" && states[other] === "denied")) await this.#ask([kind]);
    }
  }

  /** The result is "ok" or a problem. Both kinds together fail together, so then each is tried, unless it is forbidden. */
  async #ask(kinds) {
    const constraints = {};
    for (const kind of kinds) {
      const id = this.#chosen[kind];
      constraints[kind] = { ...WISHES[kind], ...(id === null ? {} : { deviceId: { exact: id } }) };
    }
    if (navigator.mediaDevices?.getUserMedia === undefined) {
      for (const kind of kinds) this.#fail(kind, "insecure");
      return "insecure";
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia(constraints);
      for (const track of stream.getTracks()) this.#set(track.kind, track);
      return "ok";
    } catch (error) {
      const problem = PROBLEMS[error.name] ?? "busy";
      const [first] = kinds;
      if (error.name === "OverconstrainedError" && kinds.some((kind) => this.#chosen[kind] !== null)) {
        // The chosen device is gone; any other is better than none.
        for (const kind of kinds) this.#chosen[kind] = null;
        return this.#ask(kinds);
      }
      if (kinds.length === 1) this.#fail(first, problem);
      else if (problem === "denied") for (const kind of kinds) this.#fail(kind, problem);
      else for (const kind of kinds) await this.#ask([kind]);
      return problem;
    }
  }

  #set(kind, track) {
    this.#drop(kind);
    this.#tracks[kind] = track;
    this.#problem[kind] = null;
    this.#stream.addTrack(track);
    track.enabled = this.#wanted[kind];
    track.onended = () => this.#fail(kind, "lost");
    this.#changed(kind);
  }

  #drop(kind) {
    const track = this.#tracks[kind];
    if (track === null) return;
    track.onended = null;
    track.stop();
    this.#stream.removeTrack(track);
    this.#tracks[kind] = null;
  }

  #fail(kind, problem) {
    this.#drop(kind);
    this.#problem[kind] = problem;
    this.#changed(kind);
  }
}

async function permission(kind) {
  try {
    return (await navigator.permissions.query({ name: kind === "audio" ? "microphone" : "camera" })).state;
  } catch {
    // Not every browser tells.
    return "unknown";
  }
}
