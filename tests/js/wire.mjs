// The line between a page and its signaling server, in the hands of a test. Chromium only.

/** Every WebSocket of one page. */
export class Wire {
  #glare;
  #open = new Set();
  #isCut = false;

  /** `glare`: an offer of the other side arrives only after the page has sent one, so both are on their way at once. */
  constructor({ glare = false } = {}) {
    this.#glare = glare;
  }

  /** To be called before the page is loaded. */
  async route(page) {
    await page.routeWebSocket(/\/ws$/, (socket) => this.#connect(socket));
  }

  /** Ends what is connected, without a goodbye, and lets nothing through. */
  async cut() {
    this.#isCut = true;
    for (const sockets of this.#open) for (const socket of sockets) await socket.close();
    this.#open.clear();
  }

  mend() {
    this.#isCut = false;
  }

  #connect(socket) {
    if (this.#isCut) return void socket.close();
    const server = socket.connectToServer();
    this.#open.add([socket, server]);
    let held = this.#glare ? [] : null;
    socket.onMessage((message) => {
      server.send(message);
      if (!isOffer(message)) return;
      for (const late of held ?? []) socket.send(late);
      held = null;
    });
    server.onMessage((message) => {
      if (held !== null && isOffer(message)) held.push(message);
      else socket.send(message);
    });
  }
}

const isOffer = (message) => String(message).includes('"type":"OFFER"');
