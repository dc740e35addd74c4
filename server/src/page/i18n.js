// Which language the page speaks, chosen by the browser's, and how texts get into it.

import { ENGLISH } from "./en.js";
import { KOREAN } from "./ko.js";

const first = (navigator.languages ?? [navigator.language]).find((tag) => /^(en|ko)\b/i.test(tag)) ?? "en";
/** The language that was chosen. */
export const language = /^ko/i.test(first) ? "ko" : "en";
const messages = language === "ko" ? KOREAN : ENGLISH;

/** The text of a key such as "status.waiting", with `{name}` filled in. */
export function t(key, values = {}) {
  const found = key.split(".").reduce((part, name) => part?.[name], messages);
  if (typeof found !== "string") return key;
  return found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Fills in what stands in the page from the start: `data-t` is an element's text, `data-t-NAME` an attribute. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const [attribute, field] of [["aria-label", "tLabel"], ["title", "tTitle"]]) {
    const selector = field === "tLabel" ? "[data-t-label]" : "[data-t-title]";
    for (const element of root.querySelectorAll(selector)) element.setAttribute(attribute, t(element.dataset[field]));
  }
}
