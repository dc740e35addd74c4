// The room: its name in the address, and the seat in it that outlives a reload.

const SEAT = "dialtone.seat";
/** Without those that are easily mistaken for another. */
const LETTERS = "abcdefghijkmnpqrstuvwxyz";

/** What the address calls the room, good or not; empty when it names none. */
export function roomOf({ pathname }) {
  const [, name = ""] = /^\/r\/([^/]+)$/.exec(pathname) ?? [];
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** As the server takes them; `.` and `..` mean something else in an address. */
export function isRoom(name) {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(name) && !/^\.\.?$/.test(name);
}

/** A name that nobody guesses: there is no other lock on a room. */
export function randomRoom() {
  const dice = crypto.getRandomValues(new Uint8Array(12));
  const name = [...dice].map((number) => LETTERS[number % LETTERS.length]).join("");
  return name.replace(/(.{4})(?=.)/g, "$1-");
}

/**
 * For the page that follows in this tab, when the server has not heard the goodbye. Kept only while no page is there: a
 * duplicated tab must not take the seat of the one that it was made of.
 */
export function keepSeat(room, token) {
  try {
    if (token !== null) sessionStorage.setItem(SEAT, JSON.stringify({ room, token }));
  } catch {
    // Without storage the server notices by itself.
  }
}

/** The token of the seat that this tab had in this room; null when it had none. It is given once. */
export function takeSeat(room) {
  try {
    const seat = JSON.parse(sessionStorage.getItem(SEAT));
    sessionStorage.removeItem(SEAT);
    return seat?.room === room ? seat.token : null;
  } catch {
    return null;
  }
}
