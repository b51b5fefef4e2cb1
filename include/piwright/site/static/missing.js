// The page for what is not there: takes a project's name from the address and says what became of it.

import { Index, asProject, normalise } from "./shards.js";
import { addressOf, makeMark, stateOf } from "./states.js";

const place = document.getElementById("case");
const root = new URL(place.dataset.root, location.href);

// The project an address is about; "" if about none.
function nameIn(address) {
  const path = address.pathname.startsWith(root.pathname) ? address.pathname.slice(root.pathname.length) : address.pathname.slice(1);
  let parts;
  try {
    parts = path.split("/").map(decodeURIComponent);
  } catch {
    return "";
  }
  const last = parts.filter(Boolean).at(-1) ?? "";
  const file = /^([A-Za-z0-9][A-Za-z0-9_.]*)-[^/]+\.(whl|metadata)$/.exec(last);
  const after = parts.findIndex((part) => part === "project" || part === "simple");
  const name = normalise(file ? file[1] : after >= 0 ? parts[after + 1] ?? "" : last);
  return /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && name.length <= 200 ? name : "";
}

// Names that begin like this one: the more alike, the better.
async function similar(index, name) {
  for (let length = name.length - 1; length >= Math.min(3, name.length - 1) && length > 0; length -= 1) {
    const { lines } = await index.begin("names", name.slice(0, length), 1);
    if (lines.length) return lines.slice(0, 5).map(asProject);
  }
  return [];
}

function link(project) {
  const made = document.createElement("a");
  made.href = addressOf(project, root);
  made.textContent = project.name;
  return made;
}

function say(title, text, ...more) {
  const heading = document.createElement("p");
  heading.textContent = title;
  const about = document.createElement("p");
  about.append(text, ...more);
  place.replaceChildren(heading, about);
  place.hidden = false;
}

async function explain(name) {
  const index = new Index(new URL("search/", root));
  const project = await index.find(name);
  if (project) {
    place.classList.add(`is-${stateOf(project).look}`);
    say("", `${stateOf(project).said} `, "More: ", link(project), ".");
    place.firstChild.append(`${name} `, makeMark(project));
    return;
  }
  place.classList.add("is-unknown");
  const others = await similar(index, name);
  const list = others.flatMap((each, at) => [at ? ", " : " Spelled like it: ", link(each)]);
  say(`This shop has nothing to say of ${name}.`,
    "It is not on the list of what is built here. If upstream has it, pip gets it from there through this index as ever.",
    ...list, list.length ? "." : "");
}

const name = nameIn(new URL(location.href));
if (name) explain(name).catch(() => { place.hidden = true; });
