/**
 * The promises of every link; the test of each adapter runs them.
 */
import assert from "node:assert/strict";
import type { Link } from "../../mesh/ports/transport.ts";

export interface LinksUnderTest {
  readonly left: Link;
  readonly right: Link;
  /** Lets messages and closings arrive until the condition holds. */
  until(condition: () => boolean): Promise<void>;
  /** Ends the left side, as when its process stops. */
  endLeft(): void;
  dispose(): Promise<void>;
}

export function linkContract(adapter: string, open: () => Promise<LinksUnderTest>): void {
  const test = (name: string, run: (links: LinksUnderTest) => Promise<void>) =>
    Deno.test(`${adapter}: ${name}`, async () => {
      const links = await open();
      try {
        await run(links);
      } finally {
        await links.dispose();
      }
    });
  const received = (link: Link): unknown[] => {
    const values: unknown[] = [];
    link.onReceive((value) => values.push(value));
    return values;
  };

  test("values arrive in the order of sending, both ways", async ({ left, right, until }) => {
    const [atLeft, atRight] = [received(left), received(right)];
    for (let i = 0; i < 200; i++) {
      left.send([i, "to the right", { deep: [undefined, null, -0, 1.5, "é"] }]);
      right.send([i, "to the left"]);
    }
    await until(() => atLeft.length === 200 && atRight.length === 200);
    assert.deepEqual(
      atRight,
      Array.from(
        { length: 200 },
        (_, i) => [i, "to the right", { deep: [undefined, null, -0, 1.5, "é"] }],
      ),
    );
    assert.deepEqual(atLeft, Array.from({ length: 200 }, (_, i) => [i, "to the left"]));
  });

  test("a value is copied when it is sent", async ({ left, right, until }) => {
    const values = received(right);
    const ids = new Uint32Array([1, 2, 3]);
    const message = { ids, text: "before" };
    left.send(message);
    ids.fill(9);
    message.text = "after";
    await until(() => values.length === 1);
    assert.deepEqual(values, [{ ids: new Uint32Array([1, 2, 3]), text: "before" }]);
  });

  test("a moved buffer arrives and is unusable at the sender", async ({ left, right, until }) => {
    const values = received(right);
    const rows = new Float32Array([1, 2, 3]);
    left.send({ rows }, [rows.buffer]);
    assert.ok(rows.buffer.detached);
    await until(() => values.length === 1);
    assert.deepEqual(values, [{ rows: new Float32Array([1, 2, 3]) }]);
  });

  test("views of one buffer share one buffer at the receiver", async ({ left, right, until }) => {
    const values = received(right) as { ids: Uint32Array; rows: Float32Array }[];
    const buffer = new ArrayBuffer(64);
    left.send({ ids: new Uint32Array(buffer, 0, 4), rows: new Float32Array(buffer, 16, 4) });
    await until(() => values.length === 1);
    const [{ ids, rows }] = values;
    assert.equal(ids.buffer, rows.buffer);
    new Uint32Array(ids.buffer, ids.byteOffset, 8).fill(0x3f800000);
    assert.deepEqual([...rows], [1, 1, 1, 1]);
  });

  test("a received array can be moved on without the others", async ({ left, right, until }) => {
    const values = received(right) as Uint8Array<ArrayBuffer>[][];
    left.send([new Uint8Array([1]), new Uint8Array([2])]);
    await until(() => values.length === 1);
    const [[first, second]] = values;
    structuredClone(first, { transfer: [first.buffer] });
    assert.deepEqual([first.length, second], [0, new Uint8Array([2])]);
  });

  test("a large value arrives whole", async ({ left, right, until }) => {
    const values = received(right) as { rows: Float32Array; after: number }[];
    const rows = new Float32Array(1 << 20).map((_, i) => i);
    left.send({ rows, after: 7 });
    await until(() => values.length === 1);
    assert.deepEqual(values, [{ rows, after: 7 }]);
  });

  test("a value that cannot travel is refused, and the link goes on", async (links) => {
    const { left, right, until } = links;
    const values = received(right);
    assert.throws(() => left.send({ f: () => 1 }), Error);
    left.send("next");
    await until(() => values.length === 1);
    assert.deepEqual(values, ["next"]);
  });

  test("the other side learns of the end once, and sends into nothing", async (links) => {
    const { left, right, until, endLeft } = links;
    const closed: Error[] = [];
    const values = received(left);
    right.onClosed((cause) => closed.push(cause));
    endLeft();
    await until(() => closed.length > 0);
    right.send("the receiver is gone");
    right.close();
    left.close();
    assert.deepEqual([closed.length, values], [1, []]);
    assert.ok(closed[0] instanceof Error);
  });
}
