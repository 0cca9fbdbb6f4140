/**
 * Compares a session that refused a batch with a session that was not given it.
 */
import assert from "node:assert/strict";
import { DivergenceError } from "../../../../kernels/dense/divergence.ts";
import type { ModelOptions } from "../../../../kernels/dense/models/options.ts";
import type { DenseOptimizerOptions } from "../../../../kernels/dense/optimizers/options.ts";
import type { Provider } from "../../../../kernels/dense/sessions/providers.ts";
import { viewOfRows } from "../../../../kernels/dense/training_batch.ts";
import { createTrainingSession } from "../../../../kernels/dense/training_session.ts";
import { exampleBatch, exampleModel } from "../models/example_models.ts";

const ROWS = 12;

/** Fails unless both sessions have the same bits, on a part of the refused batch and after it. */
export async function leavesNoTrace(
  options: ModelOptions,
  optimizer: DenseOptimizerOptions,
  provider: Provider,
): Promise<void> {
  const model = exampleModel(options);
  const open = () => createTrainingSession(model, { optimizer, provider, threads: 1, seed: 3 });
  const [tried, untried] = [await open(), await open()];
  const first = exampleBatch(model, ROWS, 1);
  await tried.step(first);
  await untried.step(first);

  const broken = exampleBatch(model, ROWS, 2);
  broken.sparse.embeddings[broken.sparse.embeddings.length - 1] = NaN;
  await assert.rejects(tried.step(broken), DivergenceError);
  await assert.rejects(tried.step(viewOfRows(broken, 6, 6)), DivergenceError);
  const sound = viewOfRows(broken, 0, 6);
  assert.deepEqual(copy(await tried.step(sound)), copy(await untried.step(sound)));
  const next = exampleBatch(model, ROWS, 4);
  assert.deepEqual(copy(await tried.step(next)), copy(await untried.step(next)));
  assert.deepEqual(await tried.checkpoint(), await untried.checkpoint());
  await Promise.all([tried.close(), untried.close()]);
}

const copy = <T>(value: T): T => structuredClone(value);
