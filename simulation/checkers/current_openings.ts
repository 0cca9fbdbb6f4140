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
  /** Number of the newest opening, by the shard's incarnation and source. */
  const newest = new Map<string, number>();
  const check = (actor: string, source: string, { incarnation, epoch }: SourceOpening) => {
    const current = newest.get(`${incarnation} ${source}`);
    if (current === epoch) return;
    context.fail(
      `${actor} took a message of opening ${epoch} of ${source}, and opening ${current} is the ` +
        "newest",
    );
  };
  return {
    name: "current-openings",
    answers(actor, request, value) {
      if (!actor.startsWith(SHARD)) return;
      const message = request as EmbeddingShardMessage;
      if (message.kind === "openSource") {
        const { incarnation, epoch } = value as SourceOpening;
        newest.set(`${incarnation} ${message.source}`, epoch);
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
