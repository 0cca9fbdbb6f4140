/**
 * Goal: parameter sync hears of each change of a mark, and is told only where it does not ask.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MarkNews } from "../../../actors/trainer/mark_news.ts";
import type { AcceptanceMark } from "../../../actors/trainer/protocol.ts";

type Mark = Required<AcceptanceMark>;

const scopeOf = (id: string) => ({ id, incarnations: [], dealing: 0 });
const FIRST: Mark = { learnedThroughMs: 0, progress: 0, scope: scopeOf("a") };

function ask(news: MarkNews, mark: Mark, known?: Mark): AcceptanceMark {
  const { scope, ...rest } = known ?? mark;
  const told = known && { known: { ...rest, scope: scope.id } };
  return news.answer({ kind: "getAcceptanceMark", ...told }, mark);
}

Deno.test("the first change after a start is told, and the ones after it are asked for", () => {
  const news = new MarkNews(FIRST);
  assert.equal(news.take(() => FIRST), false);
  const second = { ...FIRST, progress: 1 };
  assert.equal(news.take(() => second), true);
  assert.equal(news.take(() => ({ ...FIRST, progress: 2 })), false, "it is told once");
  assert.deepEqual(ask(news, second), second);
  assert.equal(news.take(() => ({ ...FIRST, progress: 2 })), false, "it has just heard of news");
});

Deno.test("an asker that knows the mark is told of the next one although another asker does not", () => {
  const news = new MarkNews(FIRST);
  ask(news, FIRST, FIRST);
  assert.deepEqual(ask(news, FIRST), FIRST);
  assert.equal(news.take(() => ({ ...FIRST, progress: 1 })), true);
});

Deno.test("a change of any part of a mark is told where the asker knew it", () => {
  for (
    const changed of [
      { ...FIRST, progress: 1 },
      { ...FIRST, learnedThroughMs: 1 },
      { ...FIRST, scope: scopeOf("b") },
    ]
  ) {
    const news = new MarkNews(FIRST);
    const { scope: _, ...rest } = FIRST;
    assert.deepEqual(ask(news, FIRST, FIRST), rest, "without the scope that it knows");
    assert.equal(news.take(() => FIRST), false);
    assert.equal(news.take(() => changed), true);
  }
});

Deno.test("an asker that asks again soon after news, and rarely else, misses no mark", () => {
  fc.assert(fc.property(
    fc.array(fc.constantFrom("learn", "round", "restart")),
    (steps) => {
      const news = new MarkNews(FIRST);
      let mark = FIRST;
      let known: Mark | undefined;
      let asksSoon = true;
      for (const step of steps) {
        if (step === "learn") {
          mark = { ...mark, progress: mark.progress + 1 };
          if (news.take(() => mark)) asksSoon = true;
        } else if (step === "restart") {
          known = undefined; // of parameter sync, which asks at once
          asksSoon = true;
        } else {
          const { scope = FIRST.scope, ...rest } = ask(news, mark, known);
          const isSame = rest.progress === known?.progress;
          known = { ...rest, scope };
          asksSoon = !isSame;
        }
        assert.ok(asksSoon || known?.progress === mark.progress, "a change waits for a rare round");
      }
    },
  ));
});
