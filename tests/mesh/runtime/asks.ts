/**
 * Asks made without a node, for tests of the parts that hold them.
 */
import { Ask } from "../../../mesh/runtime/ask.ts";

export function createAsk({ sentAtMs = 0, budgetMs = 1_000 } = {}): Ask {
  return new Ask({
    address: "test/0",
    message: { kind: "test" },
    sentAtMs,
    budgetMs,
    deadlineMs: sentAtMs + budgetMs,
    nodeName: "main",
    sender: undefined,
    parent: undefined,
    remoteChain: undefined,
    trace: undefined,
    onValue: () => {},
    onError: () => {},
  });
}
