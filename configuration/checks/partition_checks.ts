/**
 * Checks of the partitions of the logs: joiners and trainers share them out evenly.
 */
import { partitionsOf } from "../partitions.ts";
import type { Finding } from "../problems.ts";
import type { Sections } from "./check.ts";

/** Example partitions that joiners cannot divide, and trainers without a partition. */
export function* logPartitions({ joiner, trainer }: Sections): Iterable<Finding> {
  if (joiner === undefined || trainer === undefined) return;
  const { events, examples } = partitionsOf({ joiner, trainer });
  if (examples % events !== 0) {
    const above = events * Math.ceil(examples / events);
    yield {
      path: ["trainer", "partitions"],
      message:
        `found ${examples}, and joiner.partitions is ${events}, each with as many of them; ` +
        `write ${above} or another multiple of ${events}, or leave it out`,
    };
  }
  if (trainer.count > examples) {
    yield {
      path: ["trainer", "count"],
      message: `found ${trainer.count}, and trainer.partitions is ${examples}, so some trainers ` +
        `would have none; write at most ${examples}`,
    };
  }
}
