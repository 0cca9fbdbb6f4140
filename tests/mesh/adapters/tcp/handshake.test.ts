import assert from "node:assert/strict";
import { frameTypes, headOf, textFrame } from "../../../../mesh/adapters/tcp/frame.ts";
import { PROTOCOLS } from "../../../../mesh/adapters/tcp/host_identity.ts";
import { type HostSettings, type HostUnderTest, openHost, until } from "./two_hosts.ts";

/** The reasons for which two hosts do not link: as `a`, which connects, and `b` log them. */
async function refusal(a: HostSettings, b: HostSettings = {}): Promise<{ a: string; b: string }> {
  const right = openHost("b", b);
  const left = openHost("a", { ...a, peerPort: right.links.port });
  const warning = ({ telemetry }: HostUnderTest) =>
    telemetry.lines.find(({ level }) => level === "warn")?.message;
  try {
    await until(() => warning(left) !== undefined && warning(right) !== undefined);
    assert.deepEqual([left.channels, right.channels], [[], []]);
    assert.equal(left.links.peers[0].isLinked, false);
    return { a: warning(left)!, b: warning(right)! };
  } finally {
    await Promise.all([left.links.close(), right.links.close()]);
  }
}

/** Both ends log the same sentence. */
async function refusedWith(sentence: string, a: HostSettings, b?: HostSettings): Promise<void> {
  const logged = await refusal(a, b);
  assert.equal(logged.a, `no link with host b: ${sentence}`);
  assert.equal(logged.b, `no link with host 127.0.0.1: refused: ${sentence}`);
}

Deno.test("another mesh is refused, and both ends say what to correct", async () => {
  await refusedWith(
    'host a belongs to mesh "staging", and host b to "shop"; correct mesh.id, or the addresses ' +
      "in mesh.hosts",
    { identity: { mesh: "staging" } },
  );
});

Deno.test("another secret is refused, and no secret is logged", async () => {
  const logged = await refusal({ secrets: ["the wrong one"] });
  for (const line of Object.values(logged)) {
    assert.match(line, /has another secret; give all hosts the same mesh\.secret/);
    assert.doesNotMatch(line, /the wrong one|a secret\b.*a secret/);
  }
});

Deno.test("a host without the secret learns nothing of the configuration", async () => {
  const logged = await refusal({
    secrets: ["other"],
    identity: { configuration: { model: "m2" } },
  });
  assert.doesNotMatch(logged.a + logged.b, /configured differently/);
});

Deno.test("protocols without a common version are refused", async () => {
  await refusedWith(
    "host a speaks protocol 3 to 4, and host b 2; upgrade the older host, one release at a time",
    { identity: { protocols: { min: 3, max: 4 } } },
  );
});

Deno.test("clashing sections of the configuration are refused by name", async () => {
  await refusedWith(
    "hosts b and a are configured differently in model, shards; start both with the same " +
      "sections: until then they are not linked, and each goes on without the other's rows and parts",
    { identity: { configuration: { features: "f1", model: "m2", shards: "s1" } } },
  );
});

Deno.test("hosts link whose files list further hosts, but not with other roles of one host", async () => {
  const listed = { "mesh.hosts.a": "serving", "mesh.hosts.b": "shards" };
  const b = openHost("b", { identity: { configuration: { ...listed, "mesh.hosts.c": "shards" } } });
  const a = openHost("a", { identity: { configuration: listed }, peerPort: b.links.port });
  await until(() => a.links.peers[0].isLinked && b.links.peers[0].isLinked);
  await Promise.all([a.links.close(), b.links.close()]);
  const logged = await refusal({
    identity: { configuration: { ...listed, "mesh.hosts.a": "joiner" } },
  }, { identity: { configuration: listed } });
  assert.match(logged.a + logged.b, /configured differently in mesh\.hosts\.a;/);
});

Deno.test("an address that leads to another host is refused", async () => {
  await refusedWith(
    "the address of host b leads to host c; correct mesh.hosts",
    {},
    { identity: { host: "c" } },
  );
});

Deno.test("hosts with ranges that overlap link", async () => {
  const b = openHost("b", { identity: { protocols: { min: 1, max: 4 } } });
  const a = openHost("a", { identity: { protocols: { min: 3, max: 9 } }, peerPort: b.links.port });
  await until(() => a.links.peers[0].isLinked && b.links.peers[0].isLinked);
  await Promise.all([a.links.close(), b.links.close()]);
});

Deno.test("hosts link in every step of a change of the secret", async () => {
  const steps = [["old"], ["new", "old"], ["new"]];
  for (const [left, right] of [[0, 1], [1, 0], [1, 1], [1, 2], [2, 1]]) {
    const b = openHost("b", { secrets: steps[right] });
    const a = openHost("a", { secrets: steps[left], peerPort: b.links.port });
    await until(() => a.links.peers[0].isLinked && b.links.peers[0].isLinked);
    await Promise.all([a.links.close(), b.links.close()]);
  }
});

/** The last line that the host logs after these bytes came. */
async function answerTo(bytes: Uint8Array): Promise<string> {
  const b = openHost("b");
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: b.links.port });
  await socket.write(bytes);
  await until(() => b.telemetry.lines.length > 0);
  // The host closes the connection.
  const into = new Uint8Array(4096);
  while (await socket.read(into).catch(() => null) !== null);
  socket.close();
  await b.links.close();
  return b.telemetry.lines.at(-1)!.message;
}

Deno.test("strangers are told apart from hosts, and closed", async () => {
  const http = new TextEncoder().encode("GET / HTTP/1.1\r\nhost: b\r\n\r\n");
  assert.match(await answerTo(http), /refused: a malformed frame: .*may not be a Cairn host/);
  const hello = textFrame(frameTypes.handshake, '{"kind":"hello","mesh":7}');
  const framed = new Uint8Array([...headOf(hello), ...hello.structure]);
  assert.match(await answerTo(framed), /refused: .*the handshake has another message/);
});

Deno.test("a proof of one side is not taken for one of the other side", async () => {
  // A host without the secret sends the acceptor's proof back to it.
  const b = openHost("b");
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: b.links.port });
  const send = async (message: unknown) => {
    const frame = textFrame(frameTypes.handshake, JSON.stringify(message));
    await socket.write(new Uint8Array([...headOf(frame), ...frame.structure]));
  };
  await send({
    kind: "hello",
    mesh: "shop",
    host: "a",
    to: "b",
    incarnation: "i",
    protocols: PROTOCOLS,
    purpose: "messages",
    nonce: "00".repeat(32),
  });
  let text = "";
  const into = new Uint8Array(4096);
  while (!text.includes('"proofs"')) {
    text += new TextDecoder().decode(into.subarray(0, (await socket.read(into))!));
  }
  const proof = /"proofs":\["([0-9a-f]+)"/.exec(text)![1];
  await send({ kind: "proof", proofs: [proof], details: { configuration: {}, nodes: ["a:main"] } });
  await until(() => b.telemetry.lines.length > 0);
  assert.match(b.telemetry.lines[0].message, /host a has another secret/);
  socket.close();
  await b.links.close();
});
