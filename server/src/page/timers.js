// Timers by name: one that is set again begins anew.

export class Timers {
  #set = new Map();

  has(name) {
    return this.#set.has(name);
  }

  /** Does it in so many milliseconds. */
  after(name, ms, what) {
    this.stop(name);
    const run = () => {
      this.#set.delete(name);
      what();
    };
    this.#set.set(name, setTimeout(run, ms));
  }

  stop(...names) {
    for (const name of names) {
      clearTimeout(this.#set.get(name));
      this.#set.delete(name);
    }
  }

  stopAll() {
    this.stop(...this.#set.keys());
  }
}
