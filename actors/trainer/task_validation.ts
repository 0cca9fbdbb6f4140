/**
 * Progressive validation of all tasks of a model, for the trainer's answers and for metrics.
 */
import { correctsLogOdds } from "../../kernels/dense/losses.ts";
import type { TaskOptions } from "../../kernels/dense/models/options.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import {
  areaUnderCurve,
  calibrationOf,
  logloss,
  ScoreRecorder,
  sigmoid,
  together,
} from "./progressive_validation.ts";
import type { ProgressiveValidation, ScoreHistograms } from "./protocol.ts";

/** One column of labels. */
export interface ValidatedTask {
  readonly name: string;
  readonly loss: TaskOptions["loss"];
}

/** The columns of a batch that validation reads. */
export interface ValidatedBatch {
  readonly rows: number;
  /** Shape `[rows, tasks]`. */
  readonly labels: Float32Array;
  readonly logSampleRate: Float32Array;
  /** The first task's scores when served, NaN where unknown. Shape `[rows]`. */
  readonly servedPredictions: Float32Array;
}

/** The metrics are computed over this many examples of the first task. */
export const VALIDATION_INTERVAL_EXAMPLES = 1_000;

export class TaskValidation {
  readonly #tasks: readonly ValidatedTask[];
  /** Since start, without the current interval. */
  readonly #trained: readonly ScoreRecorder[];
  /** Since the metrics were last set. */
  readonly #interval: readonly ScoreRecorder[];
  readonly #served: ScoreRecorder;
  readonly #publish: (task: string, interval: ScoreHistograms, isBinary: boolean) => void;

  constructor(
    tasks: readonly ValidatedTask[],
    bins: number,
    telemetry: Telemetry,
    labels: Readonly<Record<string, string>>,
  ) {
    this.#tasks = tasks;
    const recorders = () =>
      tasks.map(({ loss }) => new ScoreRecorder(loss === "binaryCrossEntropy" ? bins : 0));
    this.#trained = recorders();
    this.#interval = recorders();
    this.#served = new ScoreRecorder(bins);
    const labelNames = [...Object.keys(labels), "task"];
    const auc = telemetry.gauge("cairn_trainer_auc", {
      help: `Progressive AUC over the last ${VALIDATION_INTERVAL_EXAMPLES} examples, by task.`,
      labelNames,
    });
    const loss = telemetry.gauge("cairn_trainer_task_loss", {
      help:
        `Progressive logloss, or squared error, over the last ${VALIDATION_INTERVAL_EXAMPLES} examples.`,
      labelNames,
    });
    const calibrationGauge = telemetry.gauge("cairn_trainer_calibration", {
      help: "Mean prediction divided by the mean label, over the last " +
        `${VALIDATION_INTERVAL_EXAMPLES} examples, by task; 1 is right.`,
      labelNames,
    });
    this.#publish = (task, interval, isBinary) => {
      loss.set(interval.lossSum / interval.weights, { ...labels, task });
      const calibration = calibrationOf(interval);
      if (Number.isFinite(calibration)) calibrationGauge.set(calibration, { ...labels, task });
      const area = isBinary ? areaUnderCurve(interval) : NaN;
      if (!Number.isNaN(area)) auc.set(area, { ...labels, task });
    };
  }

  /** @param logits Raw outputs before the update, shape `[rows, tasks]`. */
  record({ rows, labels, logSampleRate, servedPredictions }: ValidatedBatch, logits: Float32Array) {
    const tasks = this.#tasks.length;
    const byLogOdds = correctsLogOdds(this.#tasks);
    for (let task = 0; task < tasks; task++) {
      const recorder = this.#interval[task];
      const isBinary = this.#tasks[task].loss === "binaryCrossEntropy";
      for (let row = 0, i = task; row < rows; row++, i += tasks) {
        const offset = byLogOdds ? logSampleRate[row] : 0;
        const weight = byLogOdds ? 1 : Math.exp(-logSampleRate[row]);
        let prediction = logits[i];
        // A late label is of one task, and the others have none.
        if (isBinary && labels[i] < 0) continue;
        if (isBinary) {
          const surprise = logloss(logits[i] - offset, labels[i]);
          prediction = sigmoid(logits[i]);
          recorder.record(prediction, labels[i], surprise, weight);
          // Both sums are of examples as sampled, to which the offset fits the prediction.
          if (offset !== 0) prediction = sigmoid(logits[i] - offset);
        } else recorder.recordError((logits[i] - labels[i]) ** 2, weight);
        recorder.calibrate(prediction, labels[i], weight);
      }
    }
    if (this.#tasks[0].loss === "binaryCrossEntropy") {
      for (let row = 0; row < rows; row++) {
        const offset = byLogOdds ? logSampleRate[row] : 0;
        const weight = byLogOdds ? 1 : Math.exp(-logSampleRate[row]);
        const served = servedPredictions[row];
        const label = labels[row * tasks];
        if (label < 0) continue;
        const servedLogit = Math.log(served / (1 - served));
        this.#served.record(served, label, logloss(servedLogit - offset, label), weight);
        this.#served.calibrate(sigmoid(servedLogit - offset), label, weight);
      }
    }
    if (this.#interval[0].examples >= VALIDATION_INTERVAL_EXAMPLES) this.#report();
  }

  read(): ProgressiveValidation {
    return {
      trained: Object.fromEntries(
        this.#tasks.map(({ name }, task) =>
          [name, together(this.#trained[task], this.#interval[task])] as const
        ),
      ),
      served: this.#served.read(),
    };
  }

  /** Allocates nothing: histograms are large, and a fast trainer reports every batch or two. */
  #report(): void {
    this.#tasks.forEach(({ name, loss }, task) => {
      const interval = this.#interval[task];
      this.#publish(name, interval, loss === "binaryCrossEntropy");
      this.#trained[task].add(interval);
      interval.clear();
    });
  }
}
