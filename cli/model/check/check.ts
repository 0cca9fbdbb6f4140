/**
 * The work of `cairn model check`: replays a trace, prints the largest error, and says where
 * training first differs.
 */
import { counted } from "../../../structures/counted.ts";
import {
  modelCheck,
  type ModelCheckReport,
  RELATIVE_ERROR_MAX,
} from "../../../offline/model_trace/check_trace.ts";
import { present } from "../../../structures/invariant.ts";
import type { Output } from "../../command_line.ts";
import { CommandError } from "../../errors.ts";
import type { CheckFlags } from "./command.ts";

/** @throws {CommandError} When the model does not train as the trace says. */
export async function check(trace: string, flags: CheckFlags, output: Output): Promise<void> {
  const report = await modelCheck({ ...flags, trace });
  for (const reason of report.passedOver) {
    output.err(`Runs on "${report.provider}": ${reason}\n`);
  }
  for (const assumption of report.assumptions) output.err(`Assumed: ${assumption}.\n`);
  const { maxRelativeError, worst, steps } = report;
  output.out(
    flags.json
      ? `${JSON.stringify(report)}\n`
      : `${counted(steps, "step")}, largest relative error ${
        maxRelativeError.toExponential(2)
      } (${worst.tensor} at step ${worst.step})\n`,
  );
  if (maxRelativeError > RELATIVE_ERROR_MAX) {
    throw new CommandError(
      `The model does not train as recorded: ${worst.tensor} at step ${worst.step} is off by ` +
        `${maxRelativeError}, allowed is ${RELATIVE_ERROR_MAX}. ${advice(report)}`,
    );
  }
}

/** Names the part to look at first. */
function advice({ first, updatesExplained }: ModelCheckReport): string {
  const { tensor, step } = present(first, "an error above the limit has a first difference");
  if (step === 1 && (tensor === "logit" || tensor === "loss")) {
    return `Look at the model first: its ${tensor} differs in step 1, before any update.`;
  }
  if (updatesExplained === false) {
    return "Look at the optimizer first: it does not reproduce the trace's updates from the trace's gradients.";
  }
  return `The first difference is ${tensor} in step ${step}.`;
}
