import assert from "node:assert/strict";
import { bar, formatSeconds, Progress } from "../../cli/progress.ts";

/** A target that remembers the written text, on a clock that the test moves. */
function recordingTarget(isTerminal: boolean, columns = 200) {
  const target = {
    text: "",
    atMs: 0,
    isTerminal,
    write: (text: string) => void (target.text += text),
    columns: () => columns,
    nowMs: () => target.atMs,
  };
  return target;
}

Deno.test("on a terminal one line is refreshed in place and the last one stays", () => {
  const target = recordingTarget(true);
  const progress = new Progress("replay", 100, target);
  progress.update(0);
  target.atMs = 50;
  progress.update(5, "not yet");
  target.atMs = 10_000;
  progress.update(25, "3 k/s");
  progress.finish(100, "done");
  const lines = target.text.split("\r\x1b[2K");
  assert.equal(lines.length, 4);
  assert.equal(lines[2], `replay ${bar(0.25)} 25% 30s left  3 k/s`);
  assert.equal(lines[3], `replay ${bar(1)}100%  done\n`);
});

Deno.test("a note stays above the line that is refreshed", () => {
  for (const [isTerminal, expected] of [[true, "\r\x1b[2Khalf\n"], [false, "half\n"]] as const) {
    const target = recordingTarget(isTerminal);
    new Progress("train", 100, target).note("half");
    assert.equal(target.text, expected);
  }
});

Deno.test("into a pipe go plain lines, seldom, without control codes", () => {
  const target = recordingTarget(false);
  const progress = new Progress("train", 10, target);
  progress.update(1);
  for (let step = 0; step < 49; step++) {
    target.atMs += 100;
    progress.update(2);
  }
  assert.equal(target.text, "train 10%\n");
  target.atMs = 5000;
  progress.update(5, "AUC 0.7");
  progress.finish();
  assert.equal(target.text, "train 10%\ntrain 50% 5s left  AUC 0.7\ntrain 100%\n");
});

Deno.test("no time that is left is guessed from less than a hundredth", () => {
  const target = recordingTarget(false);
  const progress = new Progress("demo", 1000, target);
  target.atMs = 6000;
  progress.update(1);
  target.atMs = 12_000;
  progress.update(10);
  assert.equal(target.text, "demo 0%\ndemo 1% 19m48s left\n");
});

Deno.test("where columns are few, the bar and the remaining time make room for the figures", () => {
  const figures = "clicks 22.2% against 9.8%";
  const lines = [100, 60, 40].map((columns) => {
    const target = recordingTarget(true, columns);
    const progress = new Progress("demo", 10, target);
    target.atMs = 2000;
    progress.update(5, figures);
    return target.text.replace("\r\x1b[2K", "");
  });
  assert.equal(lines[0], `demo ${bar(0.5)} 50% 2s left  ${figures}`);
  assert.equal(lines[1], `demo ${bar(0.5, 15)} 50% 2s left  ${figures}`);
  assert.equal(lines[2], `demo ${bar(0.5, 6)} 50%  ${figures}`.slice(0, 39));
});

Deno.test("a narrow terminal cuts the line so that it never wraps", () => {
  const target = recordingTarget(true, 30);
  new Progress("a rather long label", 10, target).update(3, "and many figures");
  assert.ok([...target.text.replace("\r\x1b[2K", "")].length <= 29);
});

Deno.test("bars and times read well at their ends", () => {
  assert.equal(bar(0), "░".repeat(24));
  assert.equal(bar(1), "█".repeat(24));
  assert.equal([...bar(0.51)].length, 24);
  assert.deepEqual([0.4, 59.6, 125, 3720].map(formatSeconds), ["0s", "1m00s", "2m05s", "1h02m"]);
});

Deno.test("work of unknown size tells its figures, without a share", () => {
  const target = recordingTarget(true);
  const progress = new Progress("reading", undefined, target);
  progress.update(10, "10 rows");
  progress.finish(20, "20 rows");
  assert.equal(target.text, "\r\x1b[2Kreading  10 rows\r\x1b[2Kreading  20 rows\n");
});
