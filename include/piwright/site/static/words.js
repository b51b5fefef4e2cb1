// The words of a text, as the search knows them. `split_words` in search_entries.py makes the same of the same text: a word
// that only one side knows is found by nobody.

// Small letters without accents.
export function plain(text) {
  return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
}

// All of its words; everything that is no letter from a to z and no digit is between words.
export function wordsOf(text) {
  return plain(text).match(/[a-z0-9]+/g) ?? [];
}

// Whether it has letters or digits that no word is made of.
export function hasOtherLetters(text) {
  return /(?![a-z0-9])[\p{L}\p{N}]/u.test(plain(text));
}
