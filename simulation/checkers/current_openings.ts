/**
 * A trainer's incarnation that was followed by another one changes nothing any more.
 *
 *     ∀ gradients that shard s applies, ∀ cuts that s takes:
 *         their opening of the source is the newest that s has answered
 */
import type {
  EmbeddingShardMessage,
  SourceOpening,
} from "../../actors/embedding_shard/protocol.ts";
import type { Checker, CheckerContext } from "./checker.ts";

const SHARD = "embedding_shard/";

export function currentOpenings(context: CheckerContext): Checker {
  /** The newest opening, by shard and source. */
  const newest = new Map<string, SourceOpening>();
  const check = (actor: string, source: string, { incarnation, epoch }: SourceOpening) => {
    const current = newest.get(`${actor} ${source}`);
    if (current?.incarnation === incarnation && current.epoch === epoch) return;
    context.fail(
      `${actor} took a message of opening ${epoch} of ${source}, and opening ${current?.epoch} is ` +
        "the newest",
    );
  };
  return {
    name: "current-openings",
    began(actor) {
      if (!actor.startsWith(SHARD)) return;
      for (const key of newest.keys()) if (key.startsWith(`${actor} `)) newest.delete(key);
    },
    answers(actor, request, value) {
      if (!actor.startsWith(SHARD)) return;
      const message = request as EmbeddingShardMessage;
      if (message.kind === "openSource") {
        newest.set(`${actor} ${message.source}`, value as SourceOpening);
      } else if (message.kind === "beginSnapshot") {
        for (const { source, opening } of message.marks) check(actor, source, opening);
      } else if (message.kind === "applyGradients") {
        if ((value as { readonly applied: boolean }).applied) {
          check(actor, message.source, message.opening);
        }
      }
    },
  };
}
