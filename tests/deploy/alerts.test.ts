/**
 * Goal: the alerts and dashboards ask for metrics and labels that a server exports, every alert
 * fires in its case and stays silent otherwise, and the runbook explains each.
 *
 * Method: a small mesh answers a ranking and learns, then its metrics are read; promtool, which is
 * Prometheus's own, evaluates the rules.
 */
import assert from "node:assert/strict";
import { parse, parseAllDocuments } from "yaml";
import { registerRankingMetrics } from "../../mesh/adapters/prometheus/log_metrics.ts";
import { PrometheusTelemetry } from "../../mesh/adapters/prometheus/prometheus_telemetry.ts";
import type { SharedRankings } from "../../mesh/ports/shared_rankings.ts";
import { Resharding, type ReshardingOptions } from "../../server/resharding.ts";
import { waitLearned } from "../../server/waits.ts";
import { smallConfiguration, startSmallMesh } from "../integration/small_mesh.ts";
import { openHost } from "../mesh/adapters/tcp/two_hosts.ts";
import { alertCases, QUIET_SERIES, type Series } from "./alert_cases.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

const url = (path: string) => new URL(`../../${path}`, import.meta.url);
const fileText = (path: string) => Deno.readTextFileSync(url(path));
const rules: readonly Rule[] = parse(fileText("deploy/prometheus/alerts.yaml")).groups[0].rules;

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const panels: readonly Panel[] = JSON.parse(fileText("deploy/grafana/cairn.json")).panels;

interface PodsMetric {
  readonly name: string;
  readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
}

/** The metrics of Cairn by which the autoscalers scale, as queries. */
function scaledBy(): string[] {
  const text = fileText("deploy/kubernetes/mesh-scaled/autoscaler.yaml");
  const metrics: { readonly pods?: { readonly metric: PodsMetric } }[] = parseAllDocuments(text)
    .flatMap((document) => document.toJS().spec.metrics);
  return metrics.flatMap(({ pods }) => pods ? [pods.metric] : [])
    .map(({ name, selector: { matchLabels } }) =>
      `${name}{${Object.entries(matchLabels).map(([label, of]) => `${label}="${of}"`).join(",")}}`
    );
}

/** All queries of the files in deploy/, by where they stand. */
function* queries(): Generator<readonly [where: string, query: string]> {
  for (const query of scaledBy()) yield ["autoscaler.yaml", query];
  for (const { alert, expr } of rules) yield [alert, expr];
  for (const { title, targets = [] } of panels) {
    for (const { expr } of targets) yield [`panel "${title}"`, expr];
  }
}

/** Names of the exported series, with the labels of those that have samples. */
async function exported(): Promise<Map<string, Set<string>>> {
  const { mesh, client } = await startSmallMesh(smallConfiguration("in one thread"));
  try {
    const { rankingId } = await client.rank("ann", ["a", "b"]);
    await client.post([{ eventId: "e1", rankingId, item: "a", action: "click" }]);
    await waitLearned(mesh);
    const text = await (await mesh.fetch(new Request("http://cairn/metrics"))).text();
    return seriesOf(`${text}\n${await exportedOfHosts()}`);
  } finally {
    await mesh.stop();
  }
}

/** Metrics of links, changes and shared rankings, which the hosts of a mesh alone export. */
async function exportedOfHosts(): Promise<string> {
  const telemetry = new PrometheusTelemetry({ logLevelMin: "error", writeLog: () => {} });
  const { links } = openHost("b", { telemetry });
  new Resharding({ telemetry } as Partial<ReshardingOptions> as ReshardingOptions);
  registerRankingMetrics(telemetry, { unshared: 0, givenUp: 0 } as SharedRankings);
  try {
    return await telemetry.registry.metrics();
  } finally {
    await links.close();
  }
}

function seriesOf(text: string): Map<string, Set<string>> {
  const series = new Map<string, Set<string>>();
  for (const [, name, type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const suffix of suffixes) series.set(name + suffix, new Set());
  }
  for (const [, name, labels] of text.matchAll(/^(\w+)\{(.*)\} \S+$/gm)) {
    for (const [, label] of labels.matchAll(/(\w+)="/g)) series.get(name)?.add(label);
  }
  return series;
}

Deno.test("learning hosts are scaled by what joiners and trainers have not read", () => {
  assert.deepEqual(scaledBy(), [
    'cairn_log_records_unread{log="events"}',
    'cairn_log_records_unread{log="examples"}',
  ]);
});

Deno.test("alerts, dashboards and autoscalers ask for exported metrics and labels", async () => {
  const series = await exported();
  let asked = 0;
  for (const [where, query] of queries()) {
    const grouped = [...query.matchAll(/\b(?:by|without|ignoring|on) \(?([\w, ]+)\)/g)]
      .flatMap(([, labels]) => labels.split(/, */));
    for (
      const [, name, matchers = ""] of query.matchAll(/\b((?:cairn|process)_\w+)(\{[^}]*\})?/g)
    ) {
      const labels = series.get(name);
      assert.ok(labels, `${where} asks for ${name}, which no server exports`);
      asked++;
      if (labels.size === 0) continue;
      const known = new Set([...labels, "job", "instance", "le"]);
      for (const [, label] of matchers.matchAll(/(\w+)(?:=|!=|=~|!~)"/g)) {
        assert.ok(known.has(label), `${where}: ${name} has no label ${label}`);
      }
      for (const label of grouped) {
        assert.ok(known.has(label), `${where}: ${name} has no label ${label}`);
      }
    }
  }
  assert.ok(asked > 60, `${asked} metrics are asked for`);
});

/** The labels that tell the series of a query's result apart, where several hosts are scraped. */
function resultLabels(query: string, series: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const inner = /^histogram_quantile\([\d.]+, (.*)\)$/.exec(query)?.[1] ?? query;
  const [, aggregation, by] = /^(sum|max|min|avg)(?: by \(([\w, ]+)\))? ?\(/.exec(inner) ?? [];
  if (aggregation !== undefined) {
    return (by?.split(/, */) ?? []).filter((label) => label !== "le" || inner === query);
  }
  const [name] = /\b(?:cairn|process)_\w+/.exec(inner) ?? [];
  assert.ok(name, `no metric in ${query}`);
  return [...series.get(name) ?? [], "instance"];
}

Deno.test("a panel names each of its series differently, also over several hosts", async () => {
  const series = await exported();
  assert.deepEqual(resultLabels("rate(process_cpu_seconds_total[5m])", series), ["instance"]);
  assert.deepEqual(resultLabels("topk(8, cairn_log_bytes)", series), ["log", "instance"]);
  assert.deepEqual(resultLabels("histogram_quantile(0.5, sum by (le, a) (b))", series), ["a"]);
  for (const { title, targets = [] } of panels) {
    const legends = targets.map(({ legendFormat }) => legendFormat);
    assert.equal(new Set(legends).size, legends.length, title);
    for (const { expr, legendFormat } of targets) {
      const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
      const labels = resultLabels(expr, series).filter((label) => !expr.includes(`${label}="`));
      assert.deepEqual(named.toSorted(), labels.toSorted(), `panel "${title}": ${expr}`);
    }
  }
});

Deno.test("the panels of the dashboard have ids and places of their own", () => {
  const ids = panels.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const places = panels.map(({ gridPos: { x, y } }) => `${x},${y}`);
  assert.equal(new Set(places).size, places.length);
});

Deno.test("every alert has a severity, a case below and a paragraph in the runbook", () => {
  const runbook = fileText("docs/runbook.md");
  const headings = new Set([...runbook.matchAll(/^#+ (.+)$/gm)].map(([, title]) => title));
  assert.deepEqual(rules.map(({ alert }) => alert), alertCases.map(({ alert }) => alert));
  for (const { alert, labels, annotations } of rules) {
    assert.match(labels.severity, /^(page|ticket)$/, alert);
    assert.equal(annotations.runbook, `docs/runbook.md#${alert.toLowerCase()}`);
    assert.ok(headings.has(alert), `docs/runbook.md has no paragraph ${alert}`);
  }
});

const promtool = await Deno.stat("/usr/bin/promtool").then(() => true, () => false);

Deno.test({
  name: "each alert fires on its case, and all are silent when Cairn works",
  ignore: !promtool,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const test = (series: Series, expected: object[]) => ({
        interval: "1m",
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        alert_rule_test: expected.map((alert) => ({ eval_time: "90m", ...alert })),
      });
      const tests = [
        test(QUIET_SERIES, rules.map(({ alert }) => ({ alertname: alert, exp_alerts: [] }))),
        ...alertCases.map(({ alert, series, labels = {} }) => {
          const { annotations, labels: { severity } } = rules.find((rule) => rule.alert === alert)!;
          const summary = annotations.summary.replaceAll(
            /\{\{ \$labels\.(\w+) \}\}/g,
            (_, label) => labels[label],
          );
          const exp_alerts = [{
            exp_labels: { severity, ...labels },
            exp_annotations: { ...annotations, summary },
          }];
          return test({ ...QUIET_SERIES, ...series }, [{ alertname: alert, exp_alerts }]);
        }),
      ];
      const file = `${folder}/tests.yaml`;
      const rule_files = [url("deploy/prometheus/alerts.yaml").pathname];
      await Deno.writeTextFile(file, JSON.stringify({ rule_files, tests }));
      const run = new Deno.Command("/usr/bin/promtool", { args: ["test", "rules", file] });
      const { code, stdout, stderr } = await run.output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assert.equal(code, 0, text(stdout) + text(stderr));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
