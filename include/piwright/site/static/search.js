// The search page: looks up what is typed, or what stands in the address as ?q=, and lists what is found.

import { Index, asProject } from "./shards.js";
import { addressOf, makeMark, stateOf } from "./states.js";

const SHOWN = 30;          // results on the page
const MOST_FILES = 6;      // files that are fetched for a word
const DESCRIBED = 12;      // files that are fetched for the summaries of what is shown
const PAUSE = 120;         // milliseconds without a key before anything is fetched

const root = new URL(document.getElementById("search").dataset.root, document.baseURI);
const index = new Index(new URL("search/", root));
const field = document.getElementById("q");
const said = document.getElementById("said");
const list = document.getElementById("results");
let latest = 0;
let pause = 0;

// Lower-case words without accents; everything else is between words.
function wordsOf(text) {
  return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().split(/[^a-z0-9]+/).filter(Boolean).slice(0, 6);
}

// How well a name fits, from 0, the name itself, to 5, only its summary does.
function rank(name, words) {
  const joined = words.join("-");
  const parts = name.split("-");
  if (name === joined) return 0;
  if (name.startsWith(joined)) return 1;
  if (words.every((word) => parts.includes(word))) return 2;
  if (words.every((word) => parts.some((part) => part.startsWith(word)))) return 3;
  if (words.every((word) => name.includes(word))) return 4;
  return 5;
}

async function lookUp(all) {
  const joined = all.join("-");
  const { common: unlisted } = await index.list();
  const telling = all.filter((word) => !unlisted.has(word));
  const words = telling.length ? telling : all;
  const found = new Map();
  const keep = (project) => found.set(project.name, { ...found.get(project.name), ...project });
  const [exact, beginning, ...byWord] = await Promise.all([
    index.find(joined),
    index.begin("names", joined, MOST_FILES),
    ...words.flatMap((word) => [index.begin("names", word, MOST_FILES), index.begin("words", word, MOST_FILES)]),
  ]);
  // A project fits if it has every word, at the beginning of its name or elsewhere.
  let common = null;
  for (let place = 0; place < words.length; place += 1) {
    const [names, inside] = [byWord[2 * place].lines, byWord[2 * place + 1].lines];
    const projects = new Map(inside.map(([key, letter]) => key.split(" ")[1]).map((name, at) => [name, { name, letter: inside[at][1] }]));
    for (const line of names) projects.set(line[0], asProject(line));
    common = common === null ? projects : new Map([...common].filter(([name]) => projects.has(name)));
  }
  for (const project of common.values()) keep(project);
  for (const line of beginning.lines) keep(asProject(line));
  if (exact) keep(exact);
  const results = [...found.values()].map((project) => ({ ...project, rank: rank(project.name, all) }));
  results.sort((a, b) => a.rank - b.rank || stateOf(a).order - stateOf(b).order || a.name.length - b.name.length || (a.name < b.name ? -1 : 1));
  return { results, complete: [beginning, ...byWord].every((each) => each.complete) };
}

// Fill in the summaries of those that were found by a word.
async function describe(results) {
  let files = 0;
  await Promise.all(results.map(async (project) => {
    if (project.summary === undefined && project.letter !== project.letter.toLowerCase() && (files += 1) <= DESCRIBED) {
      project.summary = (await index.find(project.name))?.summary ?? "";
    }
  }));
}

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

function sentence(results, complete, text) {
  if (!results.length) return `Nothing is called “${text}” or says so of itself. Through the index it still comes from upstream, if it is there.`;
  const many = `${results.length}${complete ? "" : " or more"} project${results.length === 1 && complete ? "" : "s"}`;
  if (results.length <= SHOWN && complete) return `${many}.`;
  return `${many}; the ${Math.min(SHOWN, results.length)} that fit best. Type more to see others.`;
}

async function run() {
  const text = field.value.trim();
  const words = wordsOf(text);
  const mine = (latest += 1);
  const address = new URL(location.href);
  if (text) address.searchParams.set("q", text); else address.searchParams.delete("q");
  if (address.href !== location.href) history.replaceState(null, "", address);
  if (words.join("").length < 2) {
    said.textContent = text ? "Type at least two letters." : "";
    list.replaceChildren();
    return;
  }
  try {
    const { results, complete } = await lookUp(words);
    if (mine !== latest) return;
    const best = results.slice(0, SHOWN);
    show(best);
    said.textContent = sentence(results, complete, text);
    await describe(best);
    if (mine === latest && !list.contains(document.activeElement)) show(best);
  } catch (error) {
    if (mine !== latest) return;
    list.replaceChildren();
    said.textContent = `The search cannot be used now (${error.message}). The list of all projects is at ${new URL("simple/", root).pathname}.`;
  }
}

// Arrows go through the results, Escape comes back, "/" comes here from anywhere.
function move(event) {
  const links = [...list.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const inside = document.activeElement === field || at >= 0;
  if (event.key === "ArrowDown" && inside && links.length) links[Math.min(at + 1, links.length - 1)].focus();
  else if (event.key === "ArrowUp" && at >= 0) (links[at - 1] ?? field).focus();
  else if (event.key === "Escape" && at >= 0) field.focus();
  else if (event.key === "Enter" && document.activeElement === field && links.length) location.href = links[0].href;
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
