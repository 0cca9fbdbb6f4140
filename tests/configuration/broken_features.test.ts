/** Broken features and attributes, each with the complete error message. */
import { slots, testOneProblem } from "./broken_file.ts";

testOneProblem([
  [
    "a slot that reads a kept number as a text",
    "features: { slots: { clicks: { kind: categorical, source: item } } }\n" +
    "kept: { features: { clicks: { kind: count, by: item, of: click, window: 1h } } }",
    '1:38 features.slots.clicks.kind: found "categorical", but the kept feature "clicks" is a ' +
    "number; write kind: numeric",
  ],
  [
    "a cross of a kept number of items",
    "features: { slots: { u: { kind: id, source: user }, clicks: { kind: numeric, source: item, " +
    "buckets: { kind: log } }, x: { kind: cross, of: [u, clicks] } } }\n" +
    "kept: { features: { clicks: { kind: count, by: item, of: click, window: 1h } } }",
    '1:144 features.slots.x.of[1]: "clicks" reads the kept feature "clicks" of items, which cannot ' +
    "be crossed",
  ],
  [
    "a kept count without a time",
    `${slots}\nkept: { features: { n: { kind: count, by: user, of: click } } }`,
    "2:24 kept.features.n: has no time; add window: 1h, or session: 30m for the user's session",
  ],
  [
    "a kept count with a window and a session",
    `${slots}\nkept: { features: { n: { kind: count, by: user, of: click, window: 1h, session: 30m } } }`,
    "2:81 kept.features.n.session: found beside window; write one of them",
  ],
  [
    "a session of items",
    `${slots}\nkept: { features: { n: { kind: count, by: item, of: click, session: 30m } } }`,
    "2:69 kept.features.n.session: sessions are those of users; write by: user",
  ],
  [
    "a kept feature of items by a slot",
    "features: { slots: { item: { kind: id, source: item } } }\n" +
    "kept: { features: { n: { kind: since, by: item, slot: item, of: click } } }",
    "2:55 kept.features.n.slot: divides the events of a user; write by: user, or leave it out",
  ],
  [
    "a kept feature by an unknown slot",
    `${slots}\nkept: { features: { n: { kind: since, by: user, slot: itme, of: click } } }`,
    '2:55 kept.features.n.slot: unknown slot of items "itme"; none is defined.',
  ],
  [
    "a kept mean without a prior",
    `${slots}\nkept: { features: { n: { kind: mean, by: user, of: rating, window: 1h } } }`,
    "2:21 kept.features.n.prior: missing; expected a map such as { value: 3.5, weight: 20 }",
  ],
  [
    "a session of a day and more",
    `${slots}\nkept: { features: { n: { kind: history, action: click, last: 5, session: 2d } } }`,
    '2:74 kept.features.n.session: found "2d", expected a duration from 1m to 1d',
  ],
  [
    "a bound of kept values below one",
    `${slots}\nkept: { valuesMax: 0 }`,
    "2:20 kept.valuesMax: found 0, expected a whole number from 1 to 10,000",
  ],
  [
    "a declared attribute that is kept",
    `${slots}\nattributes: { user: { n: number } }\n` +
    "kept: { features: { n: { kind: count, by: user, of: click, window: 1h } } }",
    "2:23 attributes.user.n: the kept feature of this name has its own type; leave it out here, " +
    "or rename it",
  ],
  [
    "a rate without a prior",
    `${slots}\nkept: { features: { n: { kind: rate, by: user, of: click, window: 1h } } }`,
    "2:21 kept.features.n.prior: missing; expected a map such as { rate: 0.05, weight: 20 }",
  ],
  [
    "an attribute that a feature reads as another type",
    "features: { slots: { tags: { kind: list, source: item } } }\n" +
    "attributes: { item: { tags: number } }",
    '2:29 attributes.item.tags: found "number", but a feature reads it as a list of texts; leave ' +
    "it out here",
  ],
  [
    "an attribute of an unknown type",
    `${slots}\nattributes: { item: { price: float } }`,
    '2:30 attributes.item.price: found "float", expected one of text, number, boolean, texts',
  ],
  [
    "a file with sections but no features",
    "trainer: { batchRows: 32 }",
    "1:1 features: missing; expected a map with itemCache, slots",
  ],
  [
    "different widths in a model that multiplies embeddings",
    "features:\n  slots:\n    user: { kind: id, source: user }\n" +
    "    item: { kind: id, source: item, embeddingDim: 8 }",
    "4:51 features.slots.item.embeddingDim: found 8, and deepFm multiplies embeddings of different slots, so all " +
    "need the model's embeddingDim (16) or 0; leave it out, or choose a model that only concatenates them: wideAndDeep, " +
    "dcnV2, finalNet or mmoe",
  ],
  [
    "a width in a model without embeddings",
    "features: { slots: { user: { kind: id, source: user, embeddingDim: 8 } } }\nmodel: { kind: logisticRegression }",
    "1:68 features.slots.user.embeddingDim: logisticRegression has no embeddings; leave it out, or choose another " +
    "model",
  ],
  [
    "a slot without any weights",
    "features: { slots: { user: { kind: id, source: user }, h: { kind: time, part: hourOfDay, embeddingDim: 0 } } }\n" +
    "model: { kind: dcnV2 }",
    "1:104 features.slots.h.embeddingDim: found 0, and dcnV2 has no first-order weights: the slot would have no " +
    "weights at all; write 1 or more, or remove the slot",
  ],
  [
    "a width for rows that another slot owns",
    "features:\n  slots:\n    item: { kind: id, source: item }\n" +
    "    recent: { kind: list, source: user, idsOf: item, embeddingDim: 8 }\nmodel: { kind: dcnV2 }",
    '4:68 features.slots.recent.embeddingDim: it shares the rows of "item"; set it there',
  ],
  [
    "no slots",
    "features: { slots: {} }",
    "1:20 features.slots: found 0 slots, expected 1 to 256",
  ],
  [
    "a cross of an unknown slot",
    "features:\n  slots:\n    user: { kind: id, source: user }\n" +
    "    item: { kind: id, source: item }\n    both: { kind: cross, of: [user, itme] }",
    '5:37 features.slots.both.of[1]: unknown slot "itme"; did you mean "item"?',
  ],
  [
    "a numeric slot without a feature",
    "features:\n  slots:\n    user: { kind: id, source: user }\n" +
    "    age: { kind: numeric, source: user }",
    "4:5 features.slots.age: makes no feature; write buckets: { kind: log }, " +
    "dense: { kind: log }, or both",
  ],
  [
    "two slots with one number",
    "features:\n  slots:\n    a: { kind: id, source: user, slot: 7 }\n" +
    "    b: { kind: id, source: item, slot: 7 }",
    '4:5 features.slots.b: has the slot number 7, as "a" has; set `slot:` of one of them to another number',
  ],
  [
    "ids shared with an unknown slot",
    "features:\n  slots:\n    item: { kind: id, source: item }\n" +
    "    recent: { kind: list, source: user, idsOf: itme }",
    '4:48 features.slots.recent.idsOf: unknown other slot "itme"; did you mean "item"?',
  ],
]);
