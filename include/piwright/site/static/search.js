// The search page: looks up what is typed, or what stands in the address as ?q=, and lists what is found.

import { describe, lookUp } from "./lookup.js";
import { Index } from "./shards.js";
import { addressOf, makeMark } from "./states.js";
import { hasOtherLetters, wordsOf } from "./words.js";

const SHOWN = 30;          // results on the page
const PAUSE = 120;         // milliseconds without a key before anything is fetched

const root = new URL(document.getElementById("search").dataset.root, document.baseURI);
const index = new Index(new URL("search/", root));
const field = document.getElementById("q");
const said = document.getElementById("said");
const list = document.getElementById("results");
let latest = 0;
let pause = 0;
let listed = null;         // the text whose results are on the page

function show(results) {
  list.replaceChildren(...results.map((project) => {
    const line = document.createElement("li");
    const link = document.createElement("a");
    link.href = addressOf(project, root);
    link.textContent = project.name;
    line.append(link, makeMark(project));
    if (project.summary) {
      const summary = document.createElement("bdi");
      summary.className = "summary";
      summary.textContent = project.summary;
      line.append(summary);
    }
    return line;
  }));
}

// What is said of the results: no more than is known, where there were too many to look at.
function sentence({ results, complete, many }, text) {
  const count = results.length;
  const these = many.map((word) => `“${word}”`).join(" or ");
  if (!count && complete) return `Nothing is called “${text}” or says so of itself. Through the index it still comes from upstream, if it is there.`;
  if (!count) return `Too many projects have ${these} to look at all of them, and none that was looked at fits. Give another word, or the beginning of the name.`;
  const projects = `${count.toLocaleString("en")} project${count === 1 ? "" : "s"}`;
  if (!complete) return `${count > SHOWN ? `${SHOWN} of at least` : "At least"} ${projects}; too many have ${these} to look at all of them. Type more to see others.`;
  return count > SHOWN ? `${projects}; the ${SHOWN} that fit best. Type more to see others.` : `${projects}.`;
}

function tooShort(text) {
  if (hasOtherLetters(text)) return "The search knows Latin letters and digits only; names of projects have no others.";
  return text ? "Type at least two letters." : "";
}

async function run() {
  const text = field.value.trim();
  const words = wordsOf(text);
  const mine = (latest += 1);
  const address = new URL(location.href);
  if (text) address.searchParams.set("q", text); else address.searchParams.delete("q");
  if (address.href !== location.href) history.replaceState(null, "", address);
  if (words.join("").length < 2) {
    said.textContent = tooShort(text);
    list.replaceChildren();
    listed = text;
    return;
  }
  try {
    const found = await lookUp(index, words, SHOWN);
    if (mine !== latest) return;
    const best = found.results.slice(0, SHOWN);
    show(best);
    said.textContent = sentence(found, text);
    listed = text;
    addSummaries(best, mine);
  } catch (error) {
    if (mine !== latest) return;
    list.replaceChildren();
    listed = null;
    said.textContent = `The search cannot be used now (${error.message}). The list of all projects is at ${new URL("simple/", root).pathname}.`;
  }
}

// Nobody waits for these, and a list without some of them is still the list.
function addSummaries(best, mine) {
  const shown = () => { if (mine === latest && !list.contains(document.activeElement)) show(best); };
  describe(index, best).then(shown, () => {});
}

// Enter opens the first result for what the field says now: a quick typist is ahead of the list.
async function openFirst() {
  if (listed !== field.value.trim()) {
    clearTimeout(pause);
    await run();
    if (listed !== field.value.trim()) return;
  }
  const first = list.querySelector("a");
  if (first) location.href = first.href;
}

// Arrows go through the results, Escape comes back, "/" comes here from anywhere.
function move(event) {
  const links = [...list.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const inside = document.activeElement === field || at >= 0;
  if (event.key === "ArrowDown" && inside && links.length) links[Math.min(at + 1, links.length - 1)].focus();
  else if (event.key === "ArrowUp" && at >= 0) (links[at - 1] ?? field).focus();
  else if (event.key === "Escape" && at >= 0) field.focus();
  else if (event.key === "Enter" && document.activeElement === field && !event.isComposing) openFirst();
  else if (event.key === "/" && !inside && !event.ctrlKey && !event.metaKey && !event.altKey) field.focus();
  else return;
  event.preventDefault();
}

document.getElementById("search").hidden = false;
field.focus({ preventScroll: true });
field.value = new URL(location.href).searchParams.get("q") ?? "";
field.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(run, PAUSE); });
document.addEventListener("keydown", move);
if (field.value) run();
