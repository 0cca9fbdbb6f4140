import assert from "node:assert/strict";
import { eventually as holdsEventually, MeshProcess, NotReadyError } from "./mesh_process.ts";
import { type Event, type PlacementName, smallConfiguration } from "./small_mesh.ts";

const startProcess = (configurationPath: string) => MeshProcess.start(configurationPath);

async function eventually(condition: () => Promise<boolean>, complaint: string): Promise<void> {
  assert.ok(await holdsEventually(condition), complaint);
}

const meshes: readonly [PlacementName, number][] = [
  ["in one thread", 1],
  ["in worker threads", 2],
];
for (const [placement, trainers] of meshes) {
  const title = `${trainers === 1 ? "one trainer" : `${trainers} trainers`} ${placement}`;
  Deno.test(`a mesh killed at any moment loses nothing that it accepted and trains nothing twice, ${title}`, async () => {
    const directory = Deno.makeTempDirSync();
    const path = `${directory}/cairn.yaml`;
    Deno.writeTextFileSync(
      path,
      smallConfiguration(
        placement,
        "{ kind: directory, path: data, snapshots: { interval: 1s } }",
        trainers,
      )
        // No window closes, however long this takes: an example is made by its event alone.
        .replace("window: 2s", "window: 1d"),
    );
    const shown = ["c1", "c2", "d1", "d2"];
    const accepted: Event[] = [];
    let acceptedAtMs = 0;
    try {
      for (let run = 0; run < 3; run++) {
        const mesh = await startProcess(path);
        // Earlier events are remembered: sent again, they are duplicates.
        for (const event of accepted.slice(-2)) {
          const [{ status }] = await mesh.client.post([event]);
          assert.equal(status, "duplicate");
        }
        for (let round = 0; round < 25; round++) {
          const { rankingId } = await mesh.client.rank("cat", shown);
          const events = shown.map((item) => ({
            eventId: `${run}-${round}-${item}`,
            rankingId,
            item,
            action: item[0] === "c" ? "click" : "dismiss",
          }));
          for (const result of await mesh.client.post(events)) {
            assert.equal(result.status, "accepted");
            acceptedAtMs = Math.max(acceptedAtMs, result.acceptedAtMs);
          }
          accepted.push(...events);
        }
        if (run === 1) { // the second run begins without a snapshot, the third with one
          const taken = 'cairn_snapshots_total{outcome="taken"}';
          await eventually(async () => await mesh.metric(taken) > 0, "no snapshot was taken");
        }
        await mesh.kill("SIGKILL"); // in the middle: the last rounds are accepted, not yet learned
      }
      const mesh = await startProcess(path);
      const ranking = await mesh.client.rankFresh("cat", shown, acceptedAtMs);
      assert.deepEqual(ranking.items.map(({ id }) => id[0]), ["c", "c", "d", "d"]);
      // Each accepted event made one row, and each row is learned once, before the kill or after
      // it.
      await eventually(
        async () => await mesh.metric("cairn_trainer_rows_learned") >= accepted.length,
        `${await mesh.metric(
          "cairn_trainer_rows_learned",
        )} of ${accepted.length} rows are learned`,
      );
      assert.equal(await mesh.metric("cairn_trainer_rows_learned"), accepted.length);
      const sinceStart = await mesh.metric("cairn_trainer_examples_total");
      assert.ok(
        sinceStart < accepted.length,
        `${sinceStart} of ${accepted.length} examples were trained on again, as if there were no snapshot`,
      );
      const { success } = await mesh.kill("SIGTERM");
      assert.ok(success, "told to stop, it ends in good order");

      const again = await startProcess(path);
      await eventually(
        async () => await again.metric("cairn_trainer_rows_learned") === accepted.length,
        "the last snapshot does not hold everything",
      );
      const [{ status }] = await again.client.post(accepted.slice(-1));
      assert.equal(status, "duplicate");
      assert.equal(await again.metric("cairn_trainer_examples_total"), 0, "nothing to learn again");
      await again.kill("SIGTERM");
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  });
}

Deno.test("killed in the middle of requests, it knows all that it answered, and takes again what it did not", async () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/cairn.yaml`;
  const storage = "{ kind: directory, path: data, snapshots: { interval: 1s } }";
  // A window longer than the test: an example is made by its action alone.
  const yaml = smallConfiguration("in one thread", storage).replace("window: 2s", "window: 1d");
  Deno.writeTextFileSync(path, yaml);
  const shown = ["c1", "c2", "d1"];
  const answered = new Set<string>();
  let unanswered: Event[][] = [];
  let posts = 0;

  const post = async ({ client }: MeshProcess, events: Event[]) => {
    for (const { eventId, status } of await client.post(events)) {
      assert.notEqual(status, "rejected");
      answered.add(eventId);
    }
  };
  /** Eight people at once, until the process is gone. */
  const visit = (mesh: MeshProcess, isKilled: () => boolean) =>
    Promise.all(Array.from({ length: 8 }, async (_, person) => {
      while (!isKilled()) {
        let events: Event[] = [];
        try {
          const { rankingId } = await mesh.client.rank(`person-${person}`, shown);
          const number = posts++;
          events = shown.map((item) => ({
            eventId: `${number}-${item}`,
            rankingId,
            item,
            action: item[0] === "c" ? "click" : "dismiss",
          }));
          await post(mesh, events);
        } catch (error) {
          if (!isKilled()) throw error;
          if (events.length > 0) unanswered.push(events);
        }
      }
    }));

  try {
    for (const killAfterMs of [400, 1_300, 700]) {
      const mesh = await startProcess(path);
      for (const events of unanswered.splice(0)) await post(mesh, events);
      let killed = false;
      const visits = visit(mesh, () => killed);
      await new Promise((resolve) => setTimeout(resolve, killAfterMs));
      killed = true;
      await mesh.kill("SIGKILL");
      await visits;
    }
    const mesh = await startProcess(path);
    for (const events of unanswered) await post(mesh, events);
    unanswered = [];
    const learned = () => mesh.metric("cairn_trainer_rows_learned");
    await eventually(
      async () => await learned() >= answered.size,
      `${await learned()} rows of ${answered.size} are learned`,
    );
    await new Promise((resolve) => setTimeout(resolve, 200)); // more would come now
    assert.equal(await learned(), answered.size);
    assert.equal(answered.size, posts * shown.length);
    await mesh.kill("SIGTERM");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a second process on the same data directory is refused, and says why", async () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/cairn.yaml`;
  Deno.writeTextFileSync(
    path,
    smallConfiguration("in one thread", "{ kind: directory, path: data }"),
  );
  const mesh = await startProcess(path);
  try {
    await assert.rejects(startProcess(path), (error) => {
      assert.ok(error instanceof NotReadyError);
      assert.equal(error.status?.success, false);
      return /is in use by another process/.test(error.said);
    });
  } finally {
    await mesh.kill("SIGTERM");
    Deno.removeSync(directory, { recursive: true });
  }
});
