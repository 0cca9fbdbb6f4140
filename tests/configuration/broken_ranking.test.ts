/** Broken scenarios, recommendations and rankers, each with the complete error message. */
import { slots, testOneProblem } from "./broken_file.ts";

testOneProblem([
  [
    "a scenario that excludes by an action of which no history is kept",
    `${slots}\nscenarios: { home: { exclude: [{ what: click, within: 1h }] } }`,
    "2:40 scenarios.home.exclude[0].what: no history of this action is kept (none is); add " +
    "{ kind: history, action: click, last: 100 } to kept.features in cairn.yaml",
  ],
  [
    "a share in percent",
    `${slots}\nscenarios: { a: { rotation: { within: 1h, penalty: 10% } } }`,
    '2:52 scenarios.a.rotation.penalty: found "10%", expected a number above 0 and at most 1; ' +
    "write 0.1",
  ],
  [
    "a percentage above the whole",
    `${slots}\nscenarios: { a: { rotation: { within: 1h, penalty: 110% } } }`,
    '2:52 scenarios.a.rotation.penalty: found "110%", expected a number above 0 and at most 1',
  ],
  [
    "yes in place of true",
    `${slots}\nrecommend: { enabled: yes }`,
    '2:23 recommend.enabled: found "yes", expected true or false; write true',
  ],
  [
    "recommendations of a model without dot products",
    `${slots}\nmodel: { kind: wideAndDeep }\nrecommend: { enabled: true }`,
    "3:23 recommend.enabled: the model wideAndDeep has no dot products to find candidates by; " +
    "choose one of factorizationMachine, deepFm, dlrm, or write enabled: false",
  ],
  [
    "the source recent without an order",
    `${slots}\nrecommend: { enabled: true, sources: [model, recent] }`,
    "2:46 recommend.sources[1]: recent has no order; name a numeric attribute of items as " +
    "recommend.recentBy",
  ],
  [
    "the source popular without an order",
    `${slots}\nrecommend: { enabled: true, sources: [popular] }`,
    "2:39 recommend.sources[0]: popular has no order; name a kept feature of items as " +
    "recommend.popularBy",
  ],
  [
    "a source of kept histories without one",
    `${slots}\nrecommend: { enabled: true, sources: [history] }`,
    "2:39 recommend.sources[0]: history has no items; name a kept history as recommend.historyBy",
  ],
  [
    "a source of a history that is not kept",
    `${slots}\nrecommend: { enabled: true, historyBy: bought }`,
    '2:40 recommend.historyBy: unknown kept history "bought"; none is defined.',
  ],
  [
    "an order of the source trending that is not kept",
    `${slots}\nrecommend: { enabled: true, trendingBy: pace }`,
    '2:41 recommend.trendingBy: unknown kept feature of items "pace"; none is defined.',
  ],
  [
    "an order of the source recent that is no number",
    `${slots}\nattributes: { item: { published: number, brand: text } }\n` +
    "recommend: { enabled: true, recentBy: publish }",
    '3:39 recommend.recentBy: unknown numeric attribute of items "publish"; did you mean "published"?',
  ],
  [
    "a scenario with a condition that ends early",
    `${slots}\nattributes: { item: { price: number } }\nscenarios: { home: { filter: price < } }`,
    "3:30 scenarios.home.filter: at character 8: unexpected token",
  ],
  [
    "a scenario that reads an attribute that is not declared",
    `${slots}\nscenarios:\n  home:\n    boost: [{ when: stock > 5, factor: 2 }]`,
    '4:21 scenarios.home.boost[0].when: at character 1: no attribute "stock" of item is declared; ' +
    "none is. Declare others under attributes in cairn.yaml",
  ],
  [
    "a scenario with a cap on an attribute that is not declared",
    `${slots}\nscenarios: { home: { diversity: { kind: cap, by: brand, max: 2 } } }`,
    "2:50 scenarios.home.diversity.by: no such attribute of items is declared; declare it under " +
    "attributes.item in cairn.yaml",
  ],
  [
    "a default scenario that is not declared",
    `${slots}\nscenarios: { home: {} }\nranker: { scenario: hom }`,
    '3:21 ranker.scenario: unknown scenario "hom"; did you mean "home"?',
  ],
  [
    "a scenario whose new items are read from an attribute that is not declared",
    `${slots}\nscenarios: { home: { newItems: { when: shown < 5, share: 0.1 } } }`,
    '2:40 scenarios.home.newItems.when: at character 1: no attribute "shown" of item is ' +
    "declared; none is. Declare others under attributes in cairn.yaml",
  ],
  [
    "a scenario whose new items have no share",
    `${slots}\nscenarios: { home: { newItems: { when: now > 0 } } }`,
    "2:22 scenarios.home.newItems.share: missing; expected a number above 0 and at most 1",
  ],
  [
    "a scenario with a boost by zero",
    `${slots}\nscenarios: { home: { boost: [{ when: now > 0, factor: 0 }] } }`,
    "2:55 scenarios.home.boost[0].factor: found 0, expected a number above 0 and at most 1,000",
  ],
  [
    "score weights that are all 0",
    `${slots}\nmodel: { kind: mmoe, tasks: [click, buy] }\nranker: { scoreWeights: { buy: 0 } }`,
    "3:25 ranker.scoreWeights: every weight is 0, so all items would have the same score; set a weight other than 0",
  ],
  [
    "score weights with a single task",
    `${slots}\nmodel: { kind: deepFm, tasks: [click] }\nranker: { scoreWeights: { click: 2 } }`,
    "3:25 ranker.scoreWeights: the model has one task, whose prediction is the score; leave scoreWeights out, or add tasks",
  ],
  [
    "a score weight of an unknown task",
    `${slots}\nmodel: { kind: mmoe, tasks: [click, buy] }\nranker: { scoreWeights: { bye: 1 } }`,
    '3:27 ranker.scoreWeights.bye: unknown task of the model "bye"; known: click, buy.',
  ],
]);
