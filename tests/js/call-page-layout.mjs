// What can be said about a layout without eyes. Both functions run in the page; what they find are sentences.

/** Everything that is too wide, too small, cut off or in the way of something else. */
export async function examine() {
  const CONTROLS = "button, a[href], input, select";
  /** WCAG 2.2, 2.5.5: as large as a finger. */
  const FINGER = 44;
  const found = new Set();
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  // The way past everything lies over it while the keyboard is there.
  if (document.activeElement?.matches(".skip")) document.activeElement.blur();
  await frame();
  const [width, height] = [document.documentElement.clientWidth, innerHeight];
  const scope = document.querySelector("dialog[open]") ?? document.body;
  const name = (element) => {
    const words = element?.id || element?.dataset?.toggle || element?.dataset?.device || String(element?.className ?? "nothing");
    return words || element.textContent.trim().slice(0, 30) || element.tagName;
  };
  const related = (one, other) => other !== null && (one.contains(other) || other.contains(one));
  const isInside = (inner, outer) =>
    inner.left >= outer.left - 1 && inner.right <= outer.right + 1 && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
  const overlaps = (one, other) =>
    Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 &&
    Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 1;
  const overlapping = (elements) => {
    elements.forEach((one, at) => {
      for (const other of elements.slice(at + 1)) {
        const crossed = !related(one, other) && overlaps(one.getBoundingClientRect(), other.getBoundingClientRect());
        if (crossed) found.add(`${name(one)} and ${name(other)} overlap`);
      }
    });
  };
  const seen = (selector, root = scope) => [...root.querySelectorAll(selector)].filter((element) => element.checkVisibility());
  const controls = seen(CONTROLS).filter((element) => !element.classList.contains("skip"));

  const over = document.documentElement.scrollWidth - width;
  if (over > 0) found.add(`it is ${over} px too wide`);
  if (controls.length === 0) found.add("there is nothing to press");

  for (const control of controls) {
    control.scrollIntoView({ block: "nearest" });
    const rect = control.getBoundingClientRect();
    if (rect.width < FINGER || rect.height < FINGER) {
      found.add(`${name(control)} is small: ${Math.round(rect.width)} x ${Math.round(rect.height)}`);
    }
    const bounds = { left: 0, top: 0, right: width, bottom: height };
    if (!isInside(rect, bounds)) found.add(`${name(control)} is not whole in the window`);
    const [x, y] = [(rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2];
    for (const [px, py] of [[x, y], [rect.left + 3, y], [rect.right - 3, y], [x, rect.top + 3], [x, rect.bottom - 3]]) {
      const there = document.elementFromPoint(px, py);
      if (!related(control, there)) found.add(`${name(control)} lies below ${name(there)}`);
    }
  }

  // At the end of the page nothing sticks to the window's edge.
  scrollTo(0, document.documentElement.scrollHeight);
  await frame();
  overlapping(controls);
  overlapping(seen("header > *"));
  overlapping(seen(".stage > :is(.card, .self, .panel, #play)"));

  scrollTo(0, 0);
  await frame();
  const walker = document.createTreeWalker(scope, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (node.data.trim() === "" || parent.closest(".unseen, .skip, select, script, template") || !parent.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const text = `"${node.data.trim().slice(0, 30)}"`;
    for (const rect of range.getClientRects()) {
      if (rect.left < -1 || rect.right > width + 1) found.add(`${text} leaves the window`);
      let isScrolled = false;
      for (let box = parent; box !== null && box !== document.body; box = box.parentElement) {
        const { overflowX, overflowY } = getComputedStyle(box);
        isScrolled ||= /auto|scroll/.test(overflowX + overflowY);
        const isBox = box.matches("button, header, .card, .notice") || /hidden|clip/.test(overflowX);
        if (isBox && !isScrolled && !isInside(rect, box.getBoundingClientRect())) found.add(`${text} is cut off by ${name(box)}`);
      }
      const [x, y] = [(rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2];
      const there = document.elementFromPoint(x, y);
      // What is below the one that sticks to the edge can be scrolled to.
      if (isScrolled || y < 0 || y > height || there?.closest("#join")) continue;
      if (!related(parent, there)) found.add(`${text} lies below ${name(there)}`);
    }
  }
  return [...found];
}

/** What is wrong with the element that the keyboard has just come to; its name, and how many there are to come to. */
export function focused() {
  const scope = document.querySelector("dialog[open]") ?? document.body;
  const all = [...scope.querySelectorAll("button, a[href], input, select")].filter((element) => element.checkVisibility());
  const element = document.activeElement;
  const at = all.indexOf(element);
  const wrong = [];
  if (at >= 0) {
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const name = element.id || element.textContent.trim().slice(0, 30);
    if (outlineStyle === "none" || parseFloat(outlineWidth) < 2) wrong.push(`${name} does not show that the keyboard is on it`);
    const { left, top, right, bottom } = element.getBoundingClientRect();
    if (left < 0 || top < 0 || right > innerWidth || bottom > innerHeight) wrong.push(`${name} has the keyboard outside the window`);
    const there = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    const isFree = there !== null && (element.contains(there) || there.contains(element));
    if (!isFree) wrong.push(`${name} has the keyboard below something else`);
  }
  return { at, all: all.length, names: all.map((one) => one.id || one.textContent.trim().slice(0, 30)), wrong };
}
