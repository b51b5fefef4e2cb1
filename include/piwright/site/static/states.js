// What the letters of the search index mean, in words, and where a project is to be found.

export const STATES = {
  b: { order: 0, look: "built", word: "wheel here", said: "There are wheels for it here." },
  w: { order: 1, look: "waiting", word: "waiting", said: "It waits to be built." },
  f: { order: 2, look: "failed", word: "failed", said: "It could not be built." },
  h: { order: 2, look: "held", word: "held back", said: "It was built, but none of its wheels is offered now; its page says why." },
  s: { order: 3, look: "skipped", word: "skipped", said: "It could not be read upstream, so nothing was built." },
  u: { order: 3, look: "upstream", word: "from upstream", said: "Nothing was built here: mostly because what upstream has installs as it is, also through this index." },
  n: { order: 4, look: "unknown", word: "not looked at", said: "Upstream has it, and nobody has asked for it here yet. Through this index it comes from upstream." },
  r: { order: 5, look: "removed", word: "removed", said: "It was removed or quarantined upstream, so it is not offered here either." },
};

export function stateOf(project) {
  return STATES[project.letter.toLowerCase()] ?? STATES.n;
}

// A capital says that the project has a page here.
export function hasPage(project) {
  return project.letter !== project.letter.toLowerCase();
}

// The project's page; for one that has none, its page in the index, which leads upstream.
export function addressOf(project, root) {
  return new URL(`${hasPage(project) ? "project" : "simple"}/${project.name}/`, root).href;
}

// <span class="mark is-built">wheel here</span>
export function makeMark(project) {
  const { look, word } = stateOf(project);
  const mark = document.createElement("span");
  mark.className = `mark is-${look}`;
  mark.textContent = word;
  return mark;
}
