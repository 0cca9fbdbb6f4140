/**
 * Measures the memory that admission thresholds save and the AUC that they cost: trains on
 * MovieTweetings once per threshold and seed, and writes docs/performance/admission_sweep.md.
 *
 *     deno run -A scripts/sweep_admission.ts <folder> [thresholds: 0,1,2,3,5,8,15,30] [seeds: 1,2]
 */
const MAIN = new URL("../main.ts", import.meta.url).pathname;
const REPORT = new URL("../docs/performance/admission_sweep.md", import.meta.url);

interface Run {
  readonly threshold: number;
  readonly progressiveAuc: number;
  readonly auc: number;
  readonly rows: number;
}

async function train(path: string, threshold: number, seed: number): Promise<Run> {
  const args = [
    "run",
    "-A",
    MAIN,
    "train",
    "--dataset",
    "movietweetings",
    "--path",
    path,
    "--json",
  ];
  args.push("--set", `embeddings.admission={ kind: threshold, threshold: ${threshold} }`);
  args.push("--set", `embeddings.seed=${seed}`);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  if (!success) {
    const reason = new TextDecoder().decode(stderr).split("\n").slice(-5).join("\n");
    throw new Error(`Cannot train with threshold ${threshold}:\n${reason}`);
  }
  const [model] = JSON.parse(new TextDecoder().decode(stdout)).models;
  const { progressiveAuc, auc, embeddingRows: rows } = model;
  return { threshold, progressiveAuc, auc, rows };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The mean of the runs of all seeds. */
function averaged(runs: readonly Run[]): Run {
  return {
    threshold: runs[0].threshold,
    progressiveAuc: mean(runs.map((run) => run.progressiveAuc)),
    auc: mean(runs.map((run) => run.auc)),
    rows: mean(runs.map((run) => run.rows)),
  };
}

function report(results: readonly Run[], seeds: number): string {
  const [base] = results;
  const signed = (value: number) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(4);
  const lines = results.map((run) => {
    const saved = 100 * (1 - run.rows / base.rows);
    const cells = [
      String(run.threshold),
      Math.round(run.rows).toLocaleString("en"),
      `${saved.toFixed(1)} %`,
      run.progressiveAuc.toFixed(4),
      signed(run.progressiveAuc - base.progressiveAuc),
      run.auc.toFixed(4),
      signed(run.auc - base.auc),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const list = (pick: (run: Run) => string) => results.map(pick).join(", ");
  return `# Admission: memory saved against AUC lost

Most ids of a stream occur a few times and never again. With threshold t an id gets its row at its
(t+1)-th occurrence; the examples before it train the other features alone.

MovieTweetings, 100,000 ratings in time order: 80,000 to train on in one pass, the newest 20,000
held back; \`examples/movies.yaml\`; mean of ${seeds} seed${seeds === 1 ? "" : "s"}. Every row of a
table has one size, so the share of rows saved is the share of memory saved. Progressive AUC: each
batch is scored before the model trains on it. Written by \`scripts/sweep_admission.ts\`.

Threshold 1 saves the most memory for the least AUC, because ids seen once are many and teach
little. Every further step saves less and costs more.

| Threshold | Rows | Saved | Progressive AUC | Change | Held-back AUC | Change |
| --: | --: | --: | --: | --: | --: | --: |
${lines.join("\n")}

\`\`\`mermaid
xychart-beta
  title "Rows admitted, % of all"
  x-axis "threshold" [${list((run) => String(run.threshold))}]
  y-axis "%" 0 --> 100
  bar [${list((run) => (100 * run.rows / base.rows).toFixed(1))}]
\`\`\`

\`\`\`mermaid
xychart-beta
  title "Progressive AUC"
  x-axis "threshold" [${list((run) => String(run.threshold))}]
  y-axis "AUC"
  line [${list((run) => run.progressiveAuc.toFixed(4))}]
\`\`\`
`;
}

const [path, thresholds = "0,1,2,3,5,8,15,30", seeds = "1,2"] = Deno.args;
if (path === undefined) {
  console.error(
    "Name the folder of MovieTweetings: deno run -A scripts/sweep_admission.ts <folder>",
  );
  Deno.exit(2);
}
const results: Run[] = [];
for (const threshold of thresholds.split(",").map(Number)) {
  const runs: Run[] = [];
  for (const seed of seeds.split(",").map(Number)) runs.push(await train(path, threshold, seed));
  results.push(averaged(runs));
  console.error(JSON.stringify(runs));
}
await Deno.writeTextFile(REPORT, report(results, seeds.split(",").length));
