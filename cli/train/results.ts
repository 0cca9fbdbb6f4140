/**
 * The results of training, as JSON and as text.
 */
import { counted } from "../../structures/counted.ts";
import type { Quality } from "../../offline/evaluation/task_scores.ts";
import type { EpochResult, TrainingResult } from "../../offline/training/train_model.ts";

/** One trained model with its name. */
export interface NamedResult {
  readonly model: string;
  readonly result: TrainingResult;
}

/** The measure that compares epochs. */
function measureOf({ auc, meanSquaredError }: Quality): string {
  return Number.isNaN(meanSquaredError)
    ? `AUC ${auc.toFixed(4)}`
    : `squared error ${meanSquaredError.toFixed(4)}`;
}

/** An epoch's loss and validation quality in one line; undefined without a validation file. */
export function describeEpoch(
  { epoch, loss, validation, rateScale }: EpochResult,
  isBest: boolean,
): string | undefined {
  if (validation === undefined) return undefined;
  const rates = rateScale === 1 ? "" : `, rates × ${Number(rateScale.toPrecision(3))}`;
  return `epoch ${epoch}: loss ${loss.toFixed(4)}, validation ${measureOf(validation)}${
    isBest ? " (best)" : ""
  }${rates}`;
}

/**
 * For machines: rounded where more digits would be noise. The first task's figures, and each one's
 * where there are several.
 */
export function summaryOf({ model, result }: NamedResult): Record<string, unknown> {
  const { progressive, evaluation } = result;
  return {
    model,
    examples: result.examples,
    ...figuresOf(progressive[0], "progressive"),
    ...(evaluation === undefined ? {} : {
      evaluationExamples: evaluation[0].examples,
      ...figuresOf(evaluation[0]),
    }),
    ...(progressive.length === 1 ? {} : {
      tasks: Object.fromEntries(
        progressive.map((quality, i) => [quality.task, {
          ...figuresOf(quality, "progressive"),
          ...(evaluation === undefined ? {} : figuresOf(evaluation[i])),
        }]),
      ),
    }),
    epochs: result.epochs.length,
    bestEpoch: result.bestEpoch,
    trainingLoss: result.epochs.map(({ loss }) => round(loss)),
    ...(result.epochs[0]?.validation === undefined ? {} : {
      validationAuc: result.epochs.map(({ validation }) => validation && round(validation.auc)),
    }),
    embeddingRows: result.rows,
    seconds: Number(result.seconds.toFixed(2)),
    examplesPerSecond: Math.round(result.examplesPerSecond),
  };
}

/**
 * `auc` and `logloss`, or `meanSquaredError`, and `calibration`; with a prefix `progressiveAuc` and
 * so on.
 */
function figuresOf(quality: Quality, prefix = ""): Record<string, number> {
  const measures = Number.isNaN(quality.meanSquaredError)
    ? { auc: quality.auc, logloss: quality.logloss }
    : { meanSquaredError: quality.meanSquaredError };
  return Object.fromEntries(
    Object.entries({ ...measures, calibration: quality.calibration }).map(([name, value]) => [
      prefix === "" ? name : prefix + name[0].toUpperCase() + name.slice(1),
      round(value),
    ]),
  );
}

function round(value: number): number {
  return Number(value.toFixed(5));
}

/** For people: a small table, and one sentence where two models are compared. */
export function describeResults(results: readonly NamedResult[]): string {
  const header = [
    "",
    ...["progressive AUC", "logloss", "calibration"],
    ...["evaluation AUC", "logloss", "calibration"],
    "examples/s",
  ];
  const lines = results.flatMap((
    { model, result: { progressive, evaluation, examplesPerSecond } },
  ) =>
    progressive.map((quality, i) => [
      progressive.length === 1 ? model : `${model} ${quality.task}`,
      ...cells(quality),
      ...cells(evaluation?.[i]),
      i === 0 ? Math.round(examplesPerSecond).toLocaleString("en") : "",
    ])
  );
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column].length))
  );
  const text = [header, ...lines].map((line) =>
    line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])
    ).join("  ").trimEnd()
  );
  if (lines.some((line) => line.includes("NaN"))) {
    text.push(
      "\nNaN: the examples that were scored are all positive or all negative, so there is no order to measure.",
    );
  }
  for (const { model, result: { epochs, bestEpoch } } of results) {
    const validation = epochs[bestEpoch - 1]?.validation;
    if (validation === undefined) continue;
    text.push(
      `\n${model}: ${epochs.length} epochs, evaluated after epoch ${bestEpoch}, the best by the validation ` +
        `file (${measureOf(validation)}).`,
    );
  }
  const conclusion = conclusionOf(results);
  if (conclusion !== undefined) text.push(`\n${conclusion}`);
  return text.join("\n") + "\n";
}

/** The first two models compared; undefined without a second one or without held back examples. */
export function conclusionOf([first, second]: readonly NamedResult[]): string | undefined {
  const [one, other] = [first, second].map((named) => named?.result.evaluation?.[0]);
  if (one === undefined || other === undefined) return undefined;
  const isValue = !Number.isNaN(one.meanSquaredError);
  const difference = one.goodness - other.goodness;
  const verb = isValue ? "better" : "above";
  return `Evaluated on ${counted(one.examples, "example")} held back, ` +
    `${first.model} is ${Math.abs(difference).toFixed(4)} ` +
    `${isValue ? "squared error" : "AUC"} ${difference >= 0 ? verb : isValue ? "worse" : "below"} ${
      isValue ? "than " : ""
    }${second.model}.`;
}

/** AUC, logloss and calibration; of a predicted value, the squared error instead of the loss. */
function cells(quality: Quality | undefined): [string, string, string] {
  if (quality === undefined) return ["-", "-", "-"];
  const { auc, logloss, meanSquaredError, calibration } = quality;
  return Number.isNaN(meanSquaredError)
    ? [auc.toFixed(4), logloss.toFixed(4), calibration.toFixed(3)]
    : ["-", `${meanSquaredError.toFixed(4)} (squared error)`, calibration.toFixed(3)];
}
