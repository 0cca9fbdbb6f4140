/**
 * Waits for states of a running mesh, for tests and tools.
 */
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { RunningMesh } from "./compose.ts";

const POLL_MS = 20;
const ASK_BUDGET_MS = 5_000;

/**
 * Resolves when the mesh can rank.
 *
 * @throws {Error} When it cannot within `budgetMs`; the message has the last state.
 */
export async function waitReady(running: RunningMesh, budgetMs = 60_000): Promise<void> {
  await waitUntil(running, "The mesh is not ready", budgetMs, async () => {
    const status = await running.ranker.ask({ kind: "getStatus" }, { budgetMs: ASK_BUDGET_MS });
    return status.ready || "the ranker has no weights yet, or its replicas do not answer";
  });
}

/**
 * Resolves when every record that the event log holds now is joined, and every example made of them
 * is trained on.
 *
 * @throws {Error} When that takes longer than `budgetMs`, or training has stopped.
 */
export async function waitLearned(running: RunningMesh, budgetMs = 60_000): Promise<void> {
  const { joiner, trainers, stores: { eventLog, exampleLog } } = running;
  const accepted = await eventLog.endOffset(0);
  await waitUntil(running, "The mesh has not learned everything", budgetMs, async () => {
    const { offset } = await joiner.ask({ kind: "getStatus" }, { budgetMs: ASK_BUDGET_MS });
    if (offset < accepted) return `${accepted - offset} of ${accepted} events are not joined`;
    const ends = await Promise.all(
      trainers.all.map((_, partition) => exampleLog.endOffset(partition)),
    );
    const { offsets, diverged } = await trainers.status();
    if (diverged !== undefined) throw new Error(diverged);
    const behind = ends.findIndex((end, partition) => offsets[partition] < end);
    return behind < 0 || `${ends[behind] - offsets[behind]} of ${ends[behind]} chunks of ` +
        `examples in partition ${behind} are not trained on`;
  });
}

/** Asks every {@link POLL_MS} until `state` is true; a string or an error says why it is not. */
async function waitUntil(
  { mesh: { home: { clock } } }: RunningMesh,
  complaint: string,
  budgetMs: number,
  state: () => Promise<true | string>,
): Promise<void> {
  const deadlineMs = clock.monotonicMs() + budgetMs;
  for (;;) {
    const found = await state().catch(reasonOf);
    if (found === true) return;
    if (clock.monotonicMs() >= deadlineMs) {
      throw new Error(`${complaint} within ${budgetMs} ms: ${found}`);
    }
    await new Promise<void>((resolve) => clock.schedule(POLL_MS, resolve));
  }
}
