// STOMP 1.1 and 1.2 over a WebSocket (https://stomp.github.io/stomp-specification-1.2.html): one connection, no more.
// Whoever uses it decides what to do when it ends.

const ESCAPES = { "\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c" };
const MEANINGS = { "\\\\": "\\", "\\r": "\r", "\\n": "\n", "\\c": ":" };
const LF = 10;
const CR = 13;
const NUL = 0;
/** How long the server may take to answer CONNECT, in milliseconds. */
const CONNECT_PATIENCE = 10_000;
/** How long the server may take to answer DISCONNECT. */
const GOODBYE_PATIENCE = 1000;
/** A frame larger than this does not come from a server of ours. */
const LARGEST_FRAME = 1 << 20;

/** The bytes of a frame as text; `headers` without a `content-length`. */
export function encode(command, headers = {}, body = "") {
  // CONNECT is never escaped, so that a server of any version can read it.
  const escape = (text) => (command === "CONNECT" ? text : text.replace(/[\\\r\n:]/g, (c) => ESCAPES[c]));
  const lines = Object.entries(headers).map(([name, value]) => `${escape(name)}:${escape(String(value))}\n`);
  const length = body === "" ? "" : `content-length:${new TextEncoder().encode(body).length}\n`;
  return `${command}\n${lines.join("")}${length}\n${body}\0`;
}

/** Makes frames of what comes, however it was cut into messages. */
export class Decoder {
  #rest = new Uint8Array(0);

  /** The frames that are whole after this piece, a string or bytes; throws when it is not STOMP. */
  push(piece) {
    const bytes = typeof piece === "string" ? new TextEncoder().encode(piece) : new Uint8Array(piece);
    const joined = new Uint8Array(this.#rest.length + bytes.length);
    joined.set(this.#rest);
    joined.set(bytes, this.#rest.length);
    this.#rest = joined;
    const frames = [];
    for (let frame = this.#next(); frame !== null; frame = this.#next()) frames.push(frame);
    if (this.#rest.length > LARGEST_FRAME) throw new Error("a frame without an end");
    return frames;
  }

  #next() {
    const bytes = this.#rest;
    let start = 0;
    // Line ends between frames are heart-beats.
    while (bytes[start] === LF || bytes[start] === CR) start += 1;
    const head = headEnd(bytes, start);
    if (head === null) {
      this.#rest = bytes.subarray(start);
      return null;
    }
    const [command, ...lines] = text(bytes, start, head.end).split(/\r?\n/);
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon < 0) throw new Error(`a header without a colon: ${line.slice(0, 80)}`);
      const name = unescape(command, line.slice(0, colon));
      // Of a repeated header the first one counts.
      if (!Object.hasOwn(headers, name)) headers[name] = unescape(command, line.slice(colon + 1));
    }
    const length = /^\d+$/.test(headers["content-length"] ?? "") ? Number(headers["content-length"]) : null;
    const end = length === null ? bytes.indexOf(NUL, head.body) : head.body + length;
    if (end < 0 || end >= bytes.length) {
      this.#rest = bytes.subarray(start);
      return null;
    }
    if (bytes[end] !== NUL) throw new Error("a frame does not end where its content-length says");
    this.#rest = bytes.slice(end + 1);
    return { command, headers, body: text(bytes, head.body, end) };
  }
}

/** One connection. `told` has the callbacks `connected(headers)`, `refused(words)` and, once and last, `closed(words)`. */
export class Stomp {
  #socket;
  #told;
  #decoder = new Decoder();
  #handlers = new Map();
  #timers = [];
  #patience;
  #heardAt = performance.now();
  #over = false;

  constructor(url, headers, told) {
    this.#told = told;
    this.#socket = new WebSocket(url, ["v12.stomp", "v11.stomp"]);
    this.#socket.binaryType = "arraybuffer";
    this.#patience = setTimeout(() => this.#end("the server does not answer"), CONNECT_PATIENCE);
    this.#socket.onopen = () => this.#write("CONNECT", { "accept-version": "1.2,1.1", ...headers });
    this.#socket.onclose = (event) => this.#end(event.reason || `closed (${event.code})`);
    this.#socket.onmessage = ({ data }) => {
      this.#heardAt = performance.now();
      try {
        for (const frame of this.#decoder.push(data)) this.#frame(frame);
      } catch (error) {
        this.#end(error.message);
      }
    };
  }

  /** Has `handler(body, headers)` called for every message of that destination. */
  subscribe(destination, handler) {
    const id = `sub-${this.#handlers.size}`;
    this.#handlers.set(id, handler);
    this.#write("SUBSCRIBE", { id, destination });
  }

  /** Sends JSON; nothing happens when the connection is gone. */
  send(destination, body) {
    this.#write("SEND", { destination, "content-type": "application/json" }, body === undefined ? "" : JSON.stringify(body));
  }

  /** Says goodbye and closes when the server has heard it. What was sent before still arrives, also when the page goes. */
  disconnect() {
    this.#write("DISCONNECT", { receipt: "bye" });
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#end("goodbye"), GOODBYE_PATIENCE);
  }

  /** Hangs up at once; `closed` is still told. */
  abort(words) {
    this.#end(words);
  }

  #frame({ command, headers, body }) {
    if (this.#over) return;
    if (command === "CONNECTED") {
      clearTimeout(this.#patience);
      this.#beat(headers["heart-beat"] ?? "0,0");
      this.#told.connected(headers);
    } else if (command === "MESSAGE") {
      this.#handlers.get(headers.subscription)?.(body, headers);
    } else if (command === "RECEIPT" && headers["receipt-id"] === "bye") {
      this.#end("goodbye");
    } else if (command === "ERROR") {
      this.#told.refused(headers.message ?? body);
      this.#end(headers.message ?? "ERROR");
    }
  }

  /** Heart-beats as both sides have offered: ours with room to spare, theirs with patience. */
  #beat(offered) {
    const [canSend, wants] = offered.split(",").map(Number);
    if (wants > 0) {
      this.#timers.push(setInterval(() => this.#socket.readyState === 1 && this.#socket.send("\n"), Math.max(wants, 10_000) / 2));
    }
    if (canSend > 0) {
      const silence = Math.max(canSend, 10_000) * 3;
      const look = () => performance.now() - this.#heardAt > silence && this.#end("the server is silent");
      this.#timers.push(setInterval(look, 5000));
    }
  }

  #write(command, headers, body) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(encode(command, headers, body));
  }

  #end(words) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#patience);
    for (const timer of this.#timers) clearInterval(timer);
    this.#socket.close();
    this.#told.closed(words);
  }
}

/** Where the headers end and the body begins; null while that has not come. */
function headEnd(bytes, start) {
  for (let at = bytes.indexOf(LF, start); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    const end = bytes[at - 1] === CR ? at - 1 : at;
    if (bytes[at + 1] === LF) return { end, body: at + 2 };
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return { end, body: at + 3 };
  }
  return null;
}

function text(bytes, start, end) {
  return new TextDecoder().decode(bytes.subarray(start, end));
}

function unescape(command, value) {
  if (command === "CONNECTED") return value;
  return value.replace(/\\(.?)/gs, (escape) => {
    if (!Object.hasOwn(MEANINGS, escape)) throw new Error(`an unknown escape: ${escape}`);
    return MEANINGS[escape];
  });
}
