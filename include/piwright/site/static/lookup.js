// Finds the projects that have all words, in a bounded number of files, however many projects there are.
//
//   const { results, complete, many } = await lookUp(index, wordsOf("stripes django"), 30);   // 30: no more are shown
//   await describe(index, results.slice(0, 30));
//
// Of a word that very many projects have, only the first files are read: its list is cut. `complete` says whether the results
// are all there are; `many` has the words whose lists were cut.

import { asProject } from "./shards.js";
import { hasPage, stateOf } from "./states.js";
import { plain } from "./words.js";

const MOST_WORDS = 6;      // words that are looked up
const MOST_FILES = 6;      // files that are read for a word, and for the beginning of a name
const TOGETHER = 3;        // words that are looked up two by two
const TOGETHER_FILES = 2;  // files that are read for two words
const DESCRIBED = 12;      // files that are read for summaries
const DOUBTFUL = 500;      // projects whose summaries are asked for at most

export async function lookUp(index, all, enough) {
  const { common } = await index.list();
  const joined = all.join("-");
  const [exact, beginning, ...lists] = await Promise.all([
    index.find(joined),
    index.begin("names", joined, MOST_FILES),
    ...telling(all, common).map((word) => listOf(index, word)),
  ]);
  // Who typed a whole name has found it: nothing more is read to find others.
  const { fitting, doubtful } = await withAll(index, lists, exact ? 0 : enough);
  const found = new Map();
  const keep = (project) => found.set(project.name, { ...found.get(project.name), ...project });
  for (const project of fitting) keep(project);
  for (const line of beginning.lines) keep(asProject(line));
  if (exact) keep(exact);
  const results = [...found.values()].map((project) => ({ ...project, rank: rank(project.name, all) }));
  results.sort((a, b) => a.rank - b.rank || byUse(a, b));
  const many = lists.filter((list) => !list.complete).map((list) => list.word);
  const complete = beginning.complete && !doubtful && many.length < lists.length;
  return { results, complete, many: many.length ? many : [joined] };
}

// Fill in the summaries of those that have none yet, as far as a few files say them.
export async function describe(index, projects) {
  const silent = projects.filter((project) => project.summary === undefined).slice(0, DOUBTFUL);
  const said = new Map((await index.some(silent.map(({ name }) => name), DESCRIBED)).map((each) => [each.name, each.summary]));
  for (const project of silent) project.summary = said.get(project.name);
}

// Words to look up. A single letter is no word of a summary, so it counts only if there is nothing longer; in names it counts
// through all words joined.
function telling(all, common) {
  const longer = all.filter((word) => word.length > 1);
  const words = longer.length ? longer : all;
  const rare = words.filter((word) => !common.has(word));
  return [...new Set(rare.length ? rare : words)].slice(0, MOST_WORDS);
}

// Projects with a word: at the beginning of their name, or elsewhere.
async function listOf(index, word) {
  const [names, inside] = await Promise.all([index.begin("names", word, MOST_FILES), index.begin("words", word, MOST_FILES)]);
  const list = { word, projects: new Map(), complete: names.complete && inside.complete };
  addTo(list, inside.lines);
  for (const line of names.lines) list.projects.set(line[0], asProject(line));
  return list;
}

// Lines of the family of words: `gpio pigpio`, B.
function addTo(list, lines) {
  for (const [key, letter] of lines) {
    const name = key.slice(key.indexOf(" ") + 1);
    if (!list.projects.has(name)) list.projects.set(name, { name, letter });
  }
}

// Projects that are in every list. One that a cut list does not name may have its word nevertheless: its name or its summary
// says so, and it is doubtful as long as its summary was not read.
async function withAll(index, lists, enough) {
  const whole = lists.filter((list) => list.complete);
  const cut = lists.filter((list) => !list.complete);
  if (!whole.length) await addTogether(index, cut);
  const known = new Map();
  for (const { projects } of lists) {
    for (const project of projects.values()) {
      if (known.get(project.name)?.summary === undefined) known.set(project.name, project);
    }
  }
  const candidates = [...known.values()].filter(({ name }) => whole.every(({ projects }) => projects.has(name)));
  const { fitting, doubtful } = judge(candidates, cut);
  // Without a whole list nearly everything is doubtful, and a few summaries more would settle nothing.
  if (!whole.length || !doubtful.length || fitting.length >= enough) return { fitting, doubtful: doubtful.length };
  doubtful.sort(byUse);
  await describe(index, doubtful);
  const again = judge(doubtful, cut);
  return { fitting: [...fitting, ...again.fitting], doubtful: again.doubtful.length };
}

// Of words that are all in very many projects: read who has one of them and a name that begins with another. They stand
// together in one place, so that is a file or two.
async function addTogether(index, lists) {
  const some = lists.slice(0, TOGETHER);
  await Promise.all(some.flatMap((list) => some.filter((other) => other !== list).map(async ({ word }) => {
    addTo(list, (await index.begin("words", `${list.word} ${word}`, TOGETHER_FILES)).lines);
  })));
}

function judge(projects, cut) {
  const patterns = new Map(cut.map((list) => [list, new RegExp(`(^|[^a-z0-9])${list.word}`)]));
  const fitting = [];
  const doubtful = [];
  for (const project of projects) {
    const missing = cut.filter((list) => !list.projects.has(project.name) && !nameHas(project, list.word));
    if (!missing.length) fitting.push(project);
    else if (project.summary === undefined) doubtful.push(project);
    else if (missing.every((list) => patterns.get(list).test(plain(project.summary)))) fitting.push(project);
  }
  return { fitting, doubtful };
}

// As `words_of` in search_entries.py: what has a page here is found by what is inside of the parts of its name too.
function nameHas(project, word) {
  return hasPage(project) ? project.name.includes(word) : project.name.split("-").some((part) => part.startsWith(word));
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

// What can be installed from here comes first, then what has a shorter name.
function byUse(a, b) {
  return stateOf(a).order - stateOf(b).order || a.name.length - b.name.length || (a.name < b.name ? -1 : 1);
}
