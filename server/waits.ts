/**
 * Waits for states of a running mesh.
 */
import { reasonOf } from "../mesh/runtime/errors.ts";
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import type { RetrieverMessage, RetrieverState } from "../actors/retriever/protocol.ts";
import type { ServingReplicaMessage } from "../actors/serving_replica/protocol.ts";
import type { RunningMesh } from "./compose.ts";
import { endOffsets } from "../mesh/ports/event_log.ts";
import { behind } from "./joiners.ts";
import { addresses } from "./addresses.ts";
import { missingRoles, trainersToBegin } from "./missing_roles.ts";
import { ServingReplicas } from "./serving_replicas.ts";

const POLL_MS = 20;
const ASK_BUDGET_MS = 5_000;
/** Polls between two looks at the rows of replicas, which ask every shard. */
const POLLS_PER_COUNT = 50;

export interface WaitOptions {
  /** Takes the current step in words, again and again. */
  readonly onStep?: (step: string) => void;
  /** The wait ends too when this settles. */
  readonly until?: Promise<unknown>;
}

/**
 * Resolves when the mesh can rank, every replica of this host has been filled, and its retriever
 * has all stored items, however long that takes. In a rolling restart the hosts that answer
 * meanwhile are stopped next.
 */
export async function waitUntilReady(
  running: RunningMesh,
  { onStep, until }: WaitOptions = {},
): Promise<void> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  until?.then(end, end);
  const { clock } = running.mesh.home;
  onStep?.("filling the serving replicas");
  const isReady = async () =>
    await canRank(running) && await areFilled(running) && (await itemsHeld(running)).isComplete;
  for (let polls = 1; !ended && !(await isReady()); polls++) {
    if (polls % POLLS_PER_COUNT === 0) onStep?.(await fillingStep(running));
    await new Promise<void>((resolve) => clock.schedule(POLL_MS, resolve));
  }
}

async function canRank({ ranker }: RunningMesh): Promise<boolean> {
  const budget = { budgetMs: ASK_BUDGET_MS };
  return await ranker.ask({ kind: "getStatus" }, budget).then(({ ready }) => ready, () => false);
}

async function areFilled(running: RunningMesh): Promise<boolean> {
  const replicas = await Promise.all(replicaStatistics(running)).catch(() => undefined);
  return replicas?.every(({ position }) => position !== undefined) ?? false;
}

type ItemsHeld = Pick<RetrieverState, "items" | "isComplete">;

/** The items that the retriever of this host holds; complete without one. */
async function itemsHeld({ mesh, configuration, host }: RunningMesh): Promise<ItemsHeld> {
  if (configuration.retriever === undefined) return { items: 0, isComplete: true };
  return await mesh.actorRef<RetrieverMessage>(addresses.retriever(host))
    .ask({ kind: "getState" }, { budgetMs: ASK_BUDGET_MS })
    .catch(() => ({ items: 0, isComplete: false }));
}

/** The contents of the replicas of this host. */
function replicaStatistics({ mesh, configuration, host }: RunningMesh) {
  return new ServingReplicas(configuration).heldBy(host).map(({ replica }) =>
    mesh.actorRef<ServingReplicaMessage>(replica)
      .ask({ kind: "getStatistics" }, { budgetMs: ASK_BUDGET_MS })
  );
}

/**
 * The state of the replicas and the trainers, or the hosts to start so that these can begin, in
 * words.
 */
async function fillingStep(running: RunningMesh): Promise<string> {
  const { meshView, configuration: { mesh } } = running;
  const view = await meshView?.().catch(() => undefined);
  const missing = view && mesh && missingRoles(view, mesh.hosts);
  if (missing !== undefined) return missing;
  const { items, isComplete } = await itemsHeld(running);
  if (!isComplete && await areFilled(running)) {
    return `reading the stored items: ${items.toLocaleString("en")} so far`;
  }
  const rows = await replicaRows(running);
  const trainers = view && trainersToBegin(view);
  return trainers === undefined ? rows : `${rows}; ${trainers}`;
}

/** The rows that the serving replicas here hold and those that their shards hold, in words. */
async function replicaRows(running: RunningMesh): Promise<string> {
  const { mesh, configuration, host } = running;
  const budget = { budgetMs: ASK_BUDGET_MS };
  const sum = (counts: readonly { readonly rows: number }[]) =>
    counts.reduce((rows, count) => rows + count.rows, 0).toLocaleString("en");
  const { sharding } = configuration;
  const replicas = new ServingReplicas(configuration).heldBy(host);
  try {
    const [held, served] = await Promise.all([
      Promise.all(
        replicas.map(({ shard }) =>
          mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard, sharding))
            .ask({ kind: "getStatistics" }, budget)
        ),
      ),
      Promise.all(replicaStatistics(running)),
    ]);
    return `the serving replicas hold ${sum(served)} of ${sum(held)} rows`;
  } catch (error) {
    return `filling the serving replicas; ${reasonOf(error)}`;
  }
}

/**
 * Resolves when the mesh can rank. For tests.
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
 * is trained on. For tests and tools.
 *
 * @throws {Error} When that takes longer than `budgetMs`, or training has stopped.
 */
export async function waitLearned(running: RunningMesh, budgetMs = 60_000): Promise<void> {
  const { joiners, trainers, stores: { eventLog, exampleLog } } = running;
  const accepted = await endOffsets(eventLog);
  await waitUntil(running, "The mesh has not learned everything", budgetMs, async () => {
    const joined = await joiners.status(ASK_BUDGET_MS);
    const unjoined = behind(accepted, joined.offsets);
    if (unjoined > 0) return `${unjoined} events are not joined`;
    const { examplesWaiting } = joined;
    if (examplesWaiting > 0) return `${examplesWaiting} examples wait for their batch to fill`;
    const ends = await endOffsets(exampleLog);
    const { offsets, diverged } = await trainers.status();
    if (diverged !== undefined) throw new Error(diverged);
    const untrained = behind(ends, new Map(offsets.entries()));
    return untrained === 0 || `${untrained} chunks of examples are not trained on`;
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
