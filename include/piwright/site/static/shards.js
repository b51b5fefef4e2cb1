// Reads the search index: files of lines, each for a range of keys, and the list of those there are.
//
//   const index = new Index(new URL("search/", root));
//   await index.find("numpy");                    // {name, letter, summary}, or null
//   await index.begin("names", "nump", 6);        // {lines: [["numpy", "B", "..."]], complete: true}
//   await index.some(["numpy", "scipy"], 12);     // [{name, letter, summary}, ...]

const FAMILIES = ["names", "words"];

export class Index {
  constructor(base) {
    this.base = base;
    this.files = new Map();
    this.listed = null;
  }

  // What is there: for each family the ranges of keys that have a file, in order; and the words that find nothing.
  async list(again = false) {
    if (again || !this.listed) {
      this.listed = fetch(new URL("json", this.base), again ? { cache: "reload" } : {}).then(async (answer) => {
        if (!answer.ok) throw new Error(`the list of the search index: ${answer.status}`);
        const found = await answer.json();
        const files = FAMILIES.map((family) => [family, Object.keys(found[family]).map(asRange).sort(byStart)]);
        return { ...Object.fromEntries(files), common: new Set(found.common) };
      });
      this.listed.catch(() => { this.listed = null; });
    }
    return this.listed;
  }

  // Lines of a family whose key begins so, from at most `most` files; `complete` says whether that was all.
  async begin(family, beginning, most) {
    for (const again of [false, true]) {
      const matching = (await this.list(again))[family].filter((range) => mayBegin(range, beginning));
      const chosen = matching.slice(0, most);
      const files = await Promise.all(chosen.map((range) => this.file(family, range.label)));
      // A file that is gone was cut or joined since the list was read: the list is asked for once more.
      if (files.includes(null) && !again) continue;
      const lines = files.flatMap((file) => file ?? []).filter(([key]) => `${key} `.startsWith(beginning));
      return { lines, complete: chosen.length === matching.length };
    }
  }

  // What the index says of one project.
  async find(name) {
    const { lines } = await this.begin("names", `${name} `, 1);
    return lines.length ? asProject(lines[0]) : null;
  }

  // What the index says of some projects, as far as at most `most` files say it: the first names come first.
  async some(names, most) {
    const ranges = (await this.list()).names;
    const labels = new Set();
    const chosen = names.filter((name) => {
      const label = ranges.find((range) => mayBegin(range, `${name} `))?.label;
      if (labels.size < most) labels.add(label);
      return labels.has(label);
    });
    return (await Promise.all(chosen.map((name) => this.find(name)))).filter(Boolean);
  }

  async file(family, label) {
    const place = `${family}/${label}.txt`;
    if (!this.files.has(place)) {
      const loading = fetch(new URL(place, this.base)).then(async (answer) => {
        if (answer.status === 404) return null;
        if (!answer.ok) throw new Error(`${place} of the search index: ${answer.status}`);
        const text = await answer.text();
        return text.split("\n").slice(0, -1).map((line) => line.split("\t"));
      });
      this.files.set(place, loading);
      loading.then((lines) => lines ?? this.files.delete(place), () => this.files.delete(place));
    }
    return this.files.get(place);
  }
}

// A label such as "am-p", for the keys from "pa" to "pm", taken apart; a space is written as "_".
function asRange(label) {
  const [low, high, , ...prefix] = label.replaceAll("_", " ");
  return { label, low, high, prefix: prefix.join("") };
}

function byStart(a, b) {
  return a.prefix + a.low < b.prefix + b.low ? -1 : 1;
}

// Whether a key of the range may begin so.
function mayBegin({ prefix, low, high }, beginning) {
  if (prefix.startsWith(beginning)) return true;
  const next = beginning.charAt(prefix.length);
  return beginning.startsWith(prefix) && low <= next && next <= high;
}

export function asProject([name, letter, summary]) {
  return { name, letter, summary };
}

// A project's name as indexes write it.
export function normalise(name) {
  return name.toLowerCase().replace(/[-_.]+/g, "-").replace(/^-|-$/g, "");
}
