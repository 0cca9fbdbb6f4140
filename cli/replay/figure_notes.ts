/**
 * Sentences about a replay's figures: why one is unknown, and which interactions no figure has.
 */
import { counted } from "../../structures/counted.ts";
import { WARM_UP_SHARE } from "../load/task_figures.ts";
import type { MeshCounts, ReplayFigures } from "./figures.ts";
import type { ReplayMeasurements } from "./replay_client.ts";

/** The measurements that the notes read. */
export type NotedMeasurements = Pick<ReplayMeasurements, "labels" | "neverFresh">;

/** The notes, each a sentence; none where every figure is known and covers everything. */
export function notesOn(
  figures: ReplayFigures,
  { labels, neverFresh }: NotedMeasurements,
  { after }: MeshCounts,
): string[] {
  const notes: string[] = [];
  if (figures.servedAuc === null) notes.push(servedAucNote(labels));
  if (figures.tasks === null) {
    notes.push(
      "trainerAuc and tasks are told by a server that replay starts itself; a running one has " +
        "cairn_trainer_auc in its /metrics.",
    );
  } else if (figures.trainerAuc === null) {
    notes.push(
      "trainerAuc is unknown: the trainer has learned from positives alone, from negatives alone, " +
        "or from values.",
    );
  }
  if (after.open > 0) {
    notes.push(
      `${counted(after.open, "ranking")} wait${after.open === 1 ? "s" : ""} in open windows: ` +
        "items without a decided action become negatives when joiner.window closes, on the time of " +
        "later requests and events.",
    );
  }
  if (neverFresh > 0) {
    notes.push(
      `${counted(neverFresh, "event")} ${neverFresh === 1 ? "was" : "were"} accepted, and no ` +
        "answer ever learned from them.",
    );
  }
  return notes;
}

function servedAucNote(labels: Float64Array): string {
  const measured = labels.subarray(Math.floor(labels.length * WARM_UP_SHARE));
  if (measured.length === 0) return "servedAuc is unknown: the file has no interactions.";
  const kind = measured[0] > 0.5 ? "positive" : "negative";
  return `servedAuc is unknown: all of the last ${measured.length.toLocaleString("en")} ` +
    `interactions are ${kind}, so there is no order to measure; do the label rules ` +
    "(joiner.tasks) suit the file's actions and values?";
}
