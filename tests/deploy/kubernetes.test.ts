/**
 * Goal: the manifests in deploy/kubernetes are what Kubernetes reads, refer to what exists, and run
 * Cairn with a configuration that it accepts.
 *
 * Method: kustomize builds them; the compiler compares each with the types of the Kubernetes API,
 * which finds misspelt and misplaced keys; the policies below are about what types do not say.
 */
import assert from "node:assert/strict";
import { parseAllDocuments, parseDocument } from "yaml";
import { parseConfiguration } from "../../configuration/configuration.ts";

import { parseBytes } from "../../configuration/units.ts";
import metadata from "../../deno.json" with { type: "json" };
import { gatewayFixture } from "../gateway/fixture.ts";

const MODELS = "npm:kubernetes-models@5.1.0";
const OPERATOR_MODELS = "npm:@kubernetes-models/prometheus-operator@6.0.0";

/** Modules of the API's types, by `apiVersion` and `kind`. */
const modules: Readonly<Record<string, string>> = {
  "v1 ConfigMap": `${MODELS}/v1/ConfigMap`,
  "v1 PersistentVolumeClaim": `${MODELS}/v1/PersistentVolumeClaim`,
  "v1 Service": `${MODELS}/v1/Service`,
  "v1 ServiceAccount": `${MODELS}/v1/ServiceAccount`,
  "apps/v1 StatefulSet": `${MODELS}/apps/v1/StatefulSet`,
  "autoscaling/v2 HorizontalPodAutoscaler": `${MODELS}/autoscaling/v2/HorizontalPodAutoscaler`,
  "monitoring.coreos.com/v1 ServiceMonitor":
    `${OPERATOR_MODELS}/monitoring.coreos.com/v1/ServiceMonitor`,
  "networking.k8s.io/v1 NetworkPolicy": `${MODELS}/networking.k8s.io/v1/NetworkPolicy`,
  "policy/v1 PodDisruptionBudget": `${MODELS}/policy/v1/PodDisruptionBudget`,
};

/** Objects that an operator makes by hand, as the documents say. */
const MADE_BY_HAND = ["Secret cairn"];

/** Time of the last snapshot, s: server/last_snapshot.ts gives it this budget. */
const LAST_SNAPSHOT_SECONDS = 20;

type Labels = Readonly<Record<string, string>>;

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env?: readonly { readonly name: string }[];
  readonly resources: { readonly limits: Labels; readonly requests: Labels };
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Labels };
  // deno-lint-ignore no-explicit-any -- each kind has its own shape, which the compiler checks
  readonly spec: any;
  readonly data: Labels;
}

const folder = new URL("../../deploy/kubernetes/", import.meta.url).pathname;

async function build(path: string): Promise<Manifest[]> {
  const command = new Deno.Command("kustomize", { args: ["build", `${folder}${path}`] });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(code, 0, text(stderr));
  return parseAllDocuments(text(stdout)).map((document) => document.toJS());
}

const kustomize = await new Deno.Command("kustomize", { args: ["version"] }).output()
  .then(({ success }) => success, () => false);

/** Each is applied by itself. */
const layouts = [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();

for (const layout of layouts) {
  const test = (name: string, fn: (manifests: Manifest[]) => void | Promise<void>) =>
    Deno.test({
      name: `kubernetes/${layout}: ${name}`,
      ignore: !kustomize,
      fn: async () => await fn(await build(layout)),
    });

  test("every key is one of the Kubernetes API", async (manifests) => {
    const lines = manifests.flatMap((manifest, i) => {
      const key = `${manifest.apiVersion} ${manifest.kind}`;
      const module = modules[key];
      assert.ok(module, `no type is known for ${key}: add its module to this test`);
      return [
        `import type { I${manifest.kind} as I${i} } from "${module}";`,
        `export const object${i}: I${i} = ${JSON.stringify(manifest)};`,
      ];
    });
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    try {
      await Deno.writeTextFile(file, lines.join("\n"));
      const config = new URL("../../deno.json", import.meta.url).pathname;
      const args = ["check", "--config", config, file];
      const { code, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
    } finally {
      await Deno.remove(file);
    }
  });

  test("what is referred to exists", (manifests) => {
    const known = new Set([
      ...manifests.map(({ kind, metadata: { name } }) => `${kind} ${name}`),
      ...MADE_BY_HAND,
    ]);
    const require = (kind: string, name: string) =>
      assert.ok(known.has(`${kind} ${name}`), `${layout} refers to the ${kind} ${name}`);
    for (const { kind, spec } of manifests) {
      if (kind !== "StatefulSet") continue;
      require("Service", spec.serviceName);
      const pod = spec.template.spec;
      require("ServiceAccount", pod.serviceAccountName);
      const volumes = new Set<string>([
        ...pod.volumes.map(nameOf),
        ...(spec.volumeClaimTemplates ?? []).map((claim: Manifest) => claim.metadata.name),
      ]);
      for (const { configMap, persistentVolumeClaim } of pod.volumes) {
        if (configMap) require("ConfigMap", configMap.name);
        if (persistentVolumeClaim) {
          require("PersistentVolumeClaim", persistentVolumeClaim.claimName);
        }
      }
      for (const { env = [], volumeMounts } of pod.containers) {
        for (const { valueFrom } of env) {
          if (valueFrom?.secretKeyRef) require("Secret", valueFrom.secretKeyRef.name);
        }
        for (const { name } of volumeMounts) assert.ok(volumes.has(name), `volume ${name}`);
      }
    }
  });

  test("services and budgets select pods, and their ports exist", (manifests) => {
    const pods = manifests.filter(({ kind }) => kind === "StatefulSet")
      .map(({ spec }) => spec.template);
    const selected = (selector: Labels) =>
      pods.filter(({ metadata: { labels } }) =>
        Object.entries(selector).every(([name, value]) => labels[name] === value)
      );
    for (const { kind, metadata: { name }, spec } of manifests) {
      if (kind === "PodDisruptionBudget") {
        assert.ok(selected(spec.selector.matchLabels).length > 0, `${name} selects no pod`);
      }
      if (kind !== "Service") continue;
      const targets = selected(spec.selector);
      assert.ok(targets.length > 0, `${name} selects no pod`);
      for (const { targetPort } of spec.ports) {
        for (const { spec: { containers } } of targets) {
          const ports = containers.flatMap(({ ports }: Container) => ports);
          assert.ok(
            ports.some(({ name, containerPort }: Container["ports"][number]) =>
              name === targetPort || containerPort === targetPort
            ),
            `${name}: no container has the port ${targetPort}`,
          );
        }
      }
    }
  });

  test("every pod of a mesh is a host of its configuration, and the other way round", (manifests) => {
    const maps = manifests.filter(({ kind }) => kind === "ConfigMap");
    const hosts = maps.flatMap(({ data }) =>
      Object.keys(parseDocument(data["cairn.yaml"]).toJS().mesh?.hosts ?? {})
    );
    const scaled = manifests.filter(({ kind }) => kind === "HorizontalPodAutoscaler");
    const pods = manifests.filter(({ kind, spec }) =>
      kind === "StatefulSet" && spec.template.spec.containers[0].args.includes("node")
    ).flatMap(({ metadata: { name }, spec: { replicas } }) => {
      const scaler = scaled.find(({ spec }) => spec.scaleTargetRef.name === name);
      assert.equal(replicas === undefined, scaler !== undefined, `${name}: who says how many?`);
      const most = scaler?.spec.maxReplicas ?? replicas;
      return Array.from({ length: most }, (_, i) => `${name}-${i}`);
    });
    assert.deepEqual(pods.toSorted(), hosts.toSorted());
  });

  test("an autoscaler scales a set of pods whose use of cores is known", (manifests) => {
    for (const { kind, metadata: { name }, spec } of manifests) {
      if (kind !== "HorizontalPodAutoscaler") continue;
      const { kind: targetKind, name: target } = spec.scaleTargetRef;
      const set = manifests.find((each) =>
        each.kind === targetKind && nameOf(each.metadata) === target
      );
      assert.ok(set, `${name}: there is no ${targetKind} ${target}`);
      assert.ok(spec.minReplicas >= 2 && spec.maxReplicas > spec.minReplicas, name);
      for (const { resources } of set.spec.template.spec.containers as Container[]) {
        assert.ok(resources.requests.cpu, `${name}: utilization is a share of the request`);
      }
      const { periodSeconds } = spec.behavior.scaleDown.policies[0];
      assert.ok(periodSeconds > set.spec.template.spec.terminationGracePeriodSeconds, name);
    }
  });

  test("a service monitor finds a service with its port, on every pod of Cairn", async (manifests) => {
    for (const { kind, metadata: { name }, spec } of manifests) {
      if (kind !== "ServiceMonitor") continue;
      const services = manifests.filter((each) =>
        each.kind === "Service" &&
        Object.entries(spec.selector.matchLabels as Labels)
          .every(([label, value]) => each.metadata.labels?.[label] === value)
      );
      assert.equal(services.length, 1, `${name} selects ${services.length} services`);
      const [{ spec: service }] = services;
      const { app } = gatewayFixture();
      for (const { port, path, relabelings } of spec.endpoints) {
        assert.ok(service.ports.some((each: Container) => each.name === port), `${name}: ${port}`);
        assert.equal((await app.request(path)).status, 200);
        const job = relabelings.find((each: Labels) => each.targetLabel === "job");
        assert.equal(job.replacement, scrapedJob());
      }
      const sets = manifests.filter(({ kind, spec }) =>
        kind === "StatefulSet" && isCairn(spec.template.spec.containers[0])
      );
      for (const { spec: { template } } of sets) {
        for (const [label, value] of Object.entries(service.selector)) {
          assert.equal(template.metadata.labels[label], value);
        }
      }
    }
  });

  test("every container is bounded, probed and without rights", async (manifests) => {
    const { app } = gatewayFixture();
    for (const { kind, metadata: { name }, spec } of manifests) {
      if (kind !== "StatefulSet") continue;
      const pod = spec.template.spec;
      assert.equal(pod.securityContext.runAsNonRoot, true, name);
      assert.equal(pod.automountServiceAccountToken, false, name);
      for (const container of pod.containers as Container[]) {
        const { image, resources, securityContext } = container;
        assert.ok(resources.limits.memory && resources.requests.cpu, `${name}: resources`);
        assert.doesNotMatch(image, /:latest$|^[^:]+$/, `${name}: the image has no version`);
        assert.equal(securityContext.allowPrivilegeEscalation, false, name);
        assert.equal(securityContext.readOnlyRootFilesystem, true, name);
        assert.deepEqual(securityContext.capabilities, { drop: ["ALL"] }, name);
        if (!isCairn(container)) continue;
        assert.equal(image, `cairn:${metadata.version}`);
        assert.ok(pod.terminationGracePeriodSeconds > 2 * LAST_SNAPSHOT_SECONDS, name);
        for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"] as const) {
          const { path = "none" } = container[probe].httpGet ?? {};
          const { status } = await app.request(path);
          assert.equal(status, 200, `${name}: ${probe} asks ${path}`);
        }
        assert.equal(container.livenessProbe.httpGet?.path, "/health/live", name);
      }
    }
  });

  test("Cairn accepts the configuration, within the container's memory", (manifests) => {
    let accepted = 0;
    for (const { kind, spec } of manifests) {
      if (kind !== "StatefulSet") continue;
      for (const container of spec.template.spec.containers as Container[]) {
        if (!isCairn(container)) continue;
        const { env = [], resources, ports } = container;
        const names = new Set(env.map(nameOf));
        const { volumes } = spec.template.spec;
        const { name } = volumes.find(({ name }: Container) => name === "config").configMap;
        const map = manifests.find((each) =>
          each.kind === "ConfigMap" && nameOf(each.metadata) === name
        );
        const { gateway, http, storage, warnings } = parseConfiguration(
          map?.data["cairn.yaml"] ?? "",
          "cairn.yaml",
          {
            memoryBytes: memoryBytes(resources.limits.memory),
            environment: (name) => names.has(name) ? "a value of sixteen or more" : undefined,
          },
        );
        assert.deepEqual(warnings, []);
        assert.ok(gateway.apiKeys.length > 0);
        assert.ok(ports.some(({ containerPort }) => containerPort === http.port));
        if (storage.kind === "directory") assert.match(storage.path, /^\/data\//);
        accepted++;
      }
    }
    assert.ok(accepted > 0);
  });
}

/** The job that Prometheus' own configuration gives, which alerts and dashboard expect. */
function scrapedJob(): string {
  const path = new URL("../../deploy/prometheus/prometheus.yaml", import.meta.url);
  const { scrape_configs } = parseDocument(Deno.readTextFileSync(path)).toJS();
  return scrape_configs[0].job_name;
}

function isCairn({ image }: Container): boolean {
  return image.startsWith("cairn:");
}

/** Kubernetes writes `2Gi` where Cairn writes `2GiB`. */
function memoryBytes(text: string): number {
  const bytes = parseBytes(`${text}B`);
  assert.ok(bytes, `${text} is no size`);
  return bytes;
}

function nameOf(named: { readonly name: string }): string {
  return named.name;
}
