// What is seen and pressed. It knows the page's elements, and nothing of calls.

import { language, t, translate } from "./i18n.js";

const el = (id) => document.getElementById(id);
const all = (selector) => document.querySelectorAll(selector);
const KINDS = ["audio", "video"];
const DEVICES = { audio: "audioinput", video: "videoinput" };
const TYPING = "input, select, textarea, [contenteditable]";

export class View {
  #act;
  /** Of the last second; null: there is no call. */
  #stats = null;

  /**
   * `act` has a function for everything that a person can do: `join(room)`, `leave()`, `again()`, `toggle(kind)`,
   * `choose(kind, id)`, `speaker(id)`, `screen()`, `askAgain()`, `play()`.
   */
  constructor(act) {
    this.#act = act;
    document.documentElement.lang = language;
    for (const place of all("[data-pickers]")) place.append(el("pickers").content.cloneNode(true));
    translate(document);
    this.#listen();
  }

  get remote() {
    return el("remote");
  }

  /** lobby, call or over; the keyboard goes along. */
  show(screen) {
    const main = el("main");
    if (main.dataset.screen === screen) return;
    main.dataset.screen = screen;
    el("lobby").hidden = screen !== "lobby";
    el("call").hidden = screen !== "call";
    el("over").hidden = screen !== "over";
    if (screen === "call") main.focus({ preventScroll: true });
    if (screen === "over") el("over-title").focus({ preventScroll: true });
    if (screen !== "call") {
      this.details(false);
      if (el("devices").open) el("devices").close();
    }
  }

  /** The line that is read aloud; `tone`: calm, busy, good or bad. Nothing is said twice. */
  status(text, tone) {
    el("status").dataset.tone = tone;
    if (el("status-text").textContent !== text) el("status-text").textContent = text;
  }

  /** The room of this page; null: it is to be chosen, and `suggestion` stands in the field. */
  room(room, suggestion) {
    el("room-field").hidden = room !== null;
    if (room === null) el("room").value = suggestion;
    el("room-name").hidden = room === null;
    el("room-name").firstElementChild.textContent = `${t("room")} ${room}`;
    document.title = room === null ? "Dialtone" : `${room} · Dialtone`;
    el("link").value = room === null ? "" : `${location.origin}/r/${room}`;
    el("share").hidden = typeof navigator.share !== "function";
  }

  roomIsBad() {
    el("room").setAttribute("aria-invalid", "true");
    el("room-hint").textContent = t("roomBad");
    el("room").focus();
  }

  /** Our own picture, and which of microphone, camera and screen are on. */
  own({ stream, on, problems, mirrored, screen, canShare, asking }) {
    // A page counts as loading while a video waits for a picture that never comes.
    const source = stream.getVideoTracks().length > 0 ? stream : null;
    for (const id of ["preview", "self"]) {
      const video = el(id);
      if (video.srcObject !== source) video.srcObject = source;
      video.classList.toggle("mirror", mirrored);
      video.classList.toggle("whole", screen);
      video.play?.().catch(() => {});
    }
    const shown = on.video || screen;
    el("preview-off").hidden = shown;
    el("self-off").hidden = shown;
    for (const kind of KINDS) {
      for (const button of all(`[data-toggle="${kind}"]`)) {
        button.setAttribute("aria-pressed", String(on[kind]));
        button.toggleAttribute("data-missing", problems[kind] !== null);
      }
    }
    el("screen").setAttribute("aria-pressed", String(screen));
    el("screen").hidden = !canShare;
    const join = on.audio ? (on.video ? "join" : "joinSound") : on.video ? "joinPicture" : "joinWatch";
    el("join").textContent = t(asking ? "join" : join);
    this.#notice(problems);
  }

  /** Fills the pickers; `chosen`: the device of each kind in use. */
  devices(lists, chosen) {
    for (const select of all("[data-device]")) {
      const kind = select.dataset.device;
      const list = lists[kind];
      const options = list.map(({ id, label }, at) => new Option(label || t("device", { number: at + 1 }), id));
      const speaker = kind === "audiooutput";
      const none = new Option(t(speaker ? "standard" : "none"), "");
      select.replaceChildren(...(speaker && list.some(({ id }) => id === "default") ? options : [...options, none]));
      select.value = chosen[kind] ?? "";
      if (select.selectedIndex < 0) select.selectedIndex = 0;
      select.closest("label").hidden = speaker ? list.length === 0 || !("setSinkId" in HTMLMediaElement.prototype) : false;
    }
  }

  /** What lies over the far end's picture; `soon`: what is going on before there is one, or null. */
  stage({ waiting, soon, noPicture, play }) {
    el("soon").hidden = soon === null;
    el("soon").lastElementChild.textContent = soon ?? "";
    el("waiting").hidden = !waiting;
    el("no-picture").hidden = !noPicture;
    el("play").hidden = !play;
  }

  over({ title, text, button }) {
    el("over-title").textContent = title;
    el("over-text").textContent = text;
    el("again").textContent = button;
    el("again").hidden = button === "";
    this.show("over");
  }

  /** The indicator and the panel behind it; null: there is no call. */
  quality(stats) {
    this.#stats = stats;
    el("quality").hidden = stats === null;
    if (stats === null) return this.details(false);
    el("quality").dataset.grade = stats.grade ?? "";
    const word = t(`quality.${stats.grade ?? "unknown"}`);
    if (el("quality-text").textContent !== word) el("quality-text").textContent = word;
    el("quality").setAttribute("aria-label", `${t("details")}: ${word}`);
    if (!el("details").hidden) this.#figures(stats);
  }

  details(open) {
    if (open && this.#stats !== null) this.#figures(this.#stats);
    el("details").hidden = !open;
    el("quality").setAttribute("aria-expanded", String(open));
  }

  #figures({ pair, rttMs, lossPercent, received, sent, freezes, freezeMs }) {
    const write = (name, text) => {
      document.querySelector(`[data-stat="${name}"]`).textContent = text;
    };
    const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
    const side = ({ type, protocol, relayProtocol, address }) =>
      [t(`kinds.${type}`), (relayProtocol ?? protocol).toUpperCase(), address].filter(Boolean).join(" ");
    const media = ({ videoKbps, audioKbps, width, height, fps, videoCodec, audioCodec }) => {
      if (videoKbps + audioKbps === 0) return t("nothing");
      const picture = videoKbps === 0 ? [] : [`${width}×${height}`, `${number.format(Math.round(fps))} fps`, videoCodec];
      const codecs = audioKbps === 0 ? [] : [audioCodec];
      return [`${number.format(videoKbps + audioKbps)} kbit/s`, ...picture, ...codecs].filter(Boolean).join(", ");
    };
    write("path", pair === null ? t("unknown") : `${side(pair.local)} → ${side(pair.remote)}`);
    write("rtt", rttMs === null ? t("unknown") : `${number.format(rttMs)} ms`);
    write("loss", `${number.format(lossPercent)} %`);
    write("received", media(received));
    write("sent", media(sent));
    write("freezes", freezes === null ? t("unknown") : `${freezes} (${number.format(freezeMs / 1000)} s)`);
  }

  #notice(problems) {
    const { audio, video } = problems;
    let key = null;
    if (audio !== null && video !== null) key = audio === video || video === "denied" ? video : `${video}-video`;
    else if (video !== null) key = video === "insecure" ? video : `${video}-video`;
    else if (audio !== null) key = audio === "insecure" ? audio : `${audio}-audio`;
    const text = key === null ? "" : t(`problem.${key}`);
    el("notice").hidden = key === null;
    if (el("notice-text").textContent !== text) el("notice-text").textContent = text;
    el("ask-again").hidden = key === "insecure";
  }

  #listen() {
    const act = this.#act;
    const press = (id, what) => el(id).addEventListener("click", what);
    el("lobby").addEventListener("submit", (event) => {
      event.preventDefault();
      act.join(el("room-field").hidden ? null : el("room").value.trim());
    });
    press("leave", () => act.leave());
    press("again", () => act.again());
    press("ask-again", () => act.askAgain());
    press("play", () => act.play());
    press("screen", () => act.screen());
    for (const button of all("[data-copy]")) button.addEventListener("click", () => this.#copy(button));
    press("share", () => navigator.share({ url: el("link").value }).catch(() => {}));
    press("settings", () => el("devices").showModal());
    press("quality", () => this.details(el("details").hidden));
    el("link").addEventListener("focus", () => el("link").select());
    for (const button of all("[data-toggle]")) {
      button.addEventListener("click", () => act.toggle(button.dataset.toggle));
    }
    for (const select of all("[data-device]")) {
      const kind = KINDS.find((name) => DEVICES[name] === select.dataset.device);
      select.addEventListener("change", () => (kind ? act.choose(kind, select.value) : act.speaker(select.value)));
    }
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    const { key, repeat, altKey, ctrlKey, metaKey, target } = event;
    if (key === "Escape" && !el("details").hidden) {
      this.details(false);
      el("quality").focus();
    }
    const typing = target instanceof Element && target.closest(TYPING) !== null;
    if (repeat || altKey || ctrlKey || metaKey || typing || el("main").dataset.screen === "over") return;
    // By the place of the key too: with a Korean keyboard the letters are ㅡ and ㅍ.
    if (key.toLowerCase() === "m" || event.code === "KeyM") this.#act.toggle("audio");
    else if (key.toLowerCase() === "v" || event.code === "KeyV") this.#act.toggle("video");
  }

  async #copy(button) {
    const link = el("link").value;
    const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
    // Pages without https have no clipboard of the new kind.
    if (copied !== true && !copyOldWay(link)) return;
    const label = button.querySelector("[data-t]") ?? button;
    label.textContent = t("copied");
    this.#say(t("copied"));
    setTimeout(() => (label.textContent = t(label.dataset.t)), 2000);
  }

  /** For those who do not see it; it disturbs no line of the state. */
  #say(text) {
    el("said").textContent = text;
    setTimeout(() => (el("said").textContent = ""), 2000);
  }
}

function copyOldWay(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  return copied;
}
