/**
 * Writes a graph as an ONNX model that any ONNX runtime can load.
 */
import { present } from "../../../structures/invariant.ts";
import type { Dim, Shape } from "../graph/shape.ts";
import type { ComputedValue, ParameterValue, Value } from "../graph/value.ts";
import { isLeaf, topologicalOrder } from "../graph/value.ts";
import { ruleOf } from "../ops/table.ts";
import { BLOCK_WIDTH, type WeightLayout } from "../weight_layout.ts";
import { FAN_MAX, type NodeEmitter, type OnnxAttributes } from "./node_emitter.ts";
import {
  type AttributeProto,
  attributeTypes,
  elementTypes,
  IR_VERSION,
  type NodeProto,
  OPSET_VERSION,
  serializeModel,
  type TensorProto,
  type ValueInfoProto,
} from "./schema.ts";

/** How the model gets its parameters when it runs. */
export type ParameterBinding =
  /** Each parameter is an input of its name: new weights need no new session. */
  | { readonly kind: "inputs" }
  /** Parameters are written into the file, for other tools. */
  | { readonly kind: "initializers"; readonly data: Readonly<Record<string, Float32Array>> }
  /**
   * Parameters are cut from one input matrix, which the optimizer updates as a whole; see {@link
   * WeightLayout}.
   */
  | {
    readonly kind: "matrix";
    readonly input: string;
    readonly layout: WeightLayout;
    /** In the layout's order. */
    readonly parameters: readonly ParameterValue[];
  };

export interface OnnxModelOptions {
  readonly name: string;
  readonly documentation: string;
  /** Results by their name in the file. */
  readonly outputs: Readonly<Record<string, Value>>;
  readonly parameters: ParameterBinding;
  /**
   * Name of an empty sequence to add before all outputs; see sessions/in_place_outputs.ts. Absent =
   * none.
   */
  readonly sequenceOutput?: string;
}

/** The bytes of an ONNX file that computes `outputs`. */
export function encodeModel(options: OnnxModelOptions): Uint8Array<ArrayBuffer> {
  const encoder = new ModelEncoder(options);
  return serializeModel({
    irVersion: IR_VERSION,
    producerName: "cairn",
    opsetImport: [{ domain: "", version: OPSET_VERSION }],
    docString: options.documentation,
    graph: encoder.graph(),
  });
}

class ModelEncoder implements NodeEmitter {
  readonly #options: OnnxModelOptions;
  readonly #order: readonly Value[];
  readonly #names = new Map<Value, string>();
  readonly #nodes: NodeProto[] = [];
  readonly #initializers = new Map<string, TensorProto>();
  readonly #inputs: ValueInfoProto[] = [];
  #current = "";
  #temporaries = 0;

  constructor(options: OnnxModelOptions) {
    this.#options = options;
    this.#order = topologicalOrder(Object.values(options.outputs));
  }

  graph() {
    const { outputs, name, sequenceOutput } = this.#options;
    for (const [outputName, value] of Object.entries(outputs)) {
      if (!isLeaf(value) && !this.#names.has(value)) this.#names.set(value, outputName);
    }
    this.#bindParameters();
    for (const value of this.#order) this.#encode(value);
    const outputInfos: ValueInfoProto[] = Object.entries(outputs).map(([outputName, value]) => {
      if (this.#names.get(value) !== outputName) {
        this.#push("Identity", [this.#nameOf(value)], outputName, {});
      }
      return valueInfo(outputName, value.shape);
    });
    if (sequenceOutput !== undefined) {
      this.#push("SequenceEmpty", [], sequenceOutput, {});
      const elemType = { tensorType: { elemType: elementTypes.float32 } };
      outputInfos.unshift({ name: sequenceOutput, type: { sequenceType: { elemType } } });
    }
    return {
      name,
      node: this.#nodes,
      initializer: [...this.#initializers.values()],
      input: this.#inputs,
      output: outputInfos,
    };
  }

  node(opType: string, inputs: readonly string[], attributes: OnnxAttributes = {}): string {
    const output = `${this.#current}_${this.#temporaries++}`;
    this.#push(opType, inputs, output, attributes);
    return output;
  }

  result(opType: string, inputs: readonly string[], attributes: OnnxAttributes = {}): void {
    this.#push(opType, inputs, this.#current, attributes);
  }

  scalar(value: number, { shape }: { readonly shape: Shape }): string {
    const dims = shape.map(() => 1);
    const name = `scalar(${[value, ...dims]})`;
    return this.#initializer(name, dims, "float32", Float32Array.of(value));
  }

  integers(values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    const name = values.length <= 8 ? values.join() : `${this.#current}/${this.#temporaries++}`;
    return this.#initializer(`integers(${name})`, [values.length], "int64", data);
  }

  shape(dims: Shape): string {
    if (dims.every((dim) => typeof dim === "number")) return this.integers(dims);
    return this.node("Concat", dims.map((dim) => this.#runtimeDim(dim)), { axis: 0 });
  }

  #nameOf(value: Value): string {
    return present(this.#names.get(value), "a value is encoded before its users");
  }

  #encode(value: Value): void {
    switch (value.op) {
      case "Input":
        this.#names.set(value, value.name);
        if (!this.#inputs.some(({ name }) => name === value.name)) {
          this.#inputs.push(valueInfo(value.name, value.shape));
        }
        return;
      case "Parameter":
        return; // bound by #bindParameters
      case "Constant": {
        const name = `constant_${value.id}`;
        const data = Float32Array.from(value.data);
        this.#names.set(value, this.#initializer(name, value.shape, "float32", data));
        return;
      }
      default: {
        const name = this.#names.get(value) ?? `${value.op}_${value.id}`;
        this.#names.set(value, name);
        this.#current = name;
        this.#temporaries = 0;
        const inputs = value.inputs.map((input) => this.#nameOf(input));
        ruleOf(value.op).encode(value as ComputedValue, inputs, this);
      }
    }
  }

  #bindParameters(): void {
    const binding = this.#options.parameters;
    if (binding.kind === "matrix") return this.#cutMatrix(binding);
    for (const value of this.#order) {
      if (value.op !== "Parameter") continue;
      this.#names.set(value, value.name);
      if (binding.kind === "inputs") {
        this.#inputs.push(valueInfo(value.name, value.shape));
      } else {
        this.#initializer(value.name, value.shape, "float32", binding.data[value.name]);
      }
    }
  }

  #cutMatrix({ input, layout, parameters }: ParameterBinding & { kind: "matrix" }): void {
    this.#inputs.push(valueInfo(input, [layout.blocks, BLOCK_WIDTH]));
    const pieces = layout.ranges.map(({ name }) => `${name}/blocks`);
    this.#split(input, pieces, layout.ranges.map(({ blocks }) => blocks));
    layout.ranges.forEach(({ name, shape, size, blocks }, index) => {
      this.#names.set(parameters[index], name);
      let piece = pieces[index];
      if (size < blocks * BLOCK_WIDTH) {
        const flat = `${name}/flat`, cut = `${name}/cut`;
        this.#push("Reshape", [piece, this.integers([-1])], flat, {});
        const [from, to, axis] = [[0], [size], [0]].map((value) => this.integers(value));
        this.#push("Slice", [flat, from, to, axis], cut, {});
        piece = cut;
      }
      this.#push("Reshape", [piece, this.integers(shape)], name, {});
    });
  }

  /** Splits a matrix into named groups of rows; past {@link FAN_MAX} groups by a tree of nodes. */
  #split(matrix: string, pieces: readonly string[], sizes: readonly number[]): void {
    if (pieces.length > FAN_MAX) {
      const width = Math.ceil(pieces.length / FAN_MAX);
      const starts = Array.from({ length: FAN_MAX }, (_, i) => i * width)
        .filter((start) => start < pieces.length);
      const groups = starts.map((start) => sizes.slice(start, start + width));
      const names = starts.map((start) => `${matrix}/${start}`);
      this.#split(matrix, names, groups.map((group) => group.reduce((sum, size) => sum + size)));
      starts.forEach((start, i) => {
        const group = pieces.slice(start, start + width);
        this.#split(names[i], group, groups[i]);
      });
      return;
    }
    this.#nodes.push({
      opType: "Split",
      name: `Split:${matrix}`,
      input: [matrix, this.integers(sizes)],
      output: pieces,
      attribute: attributeProtos({ axis: 0 }),
    });
  }

  #runtimeDim(dim: Dim): string {
    if (typeof dim === "number") return this.integers([dim]);
    for (const value of this.#order) {
      if (value.op !== "Input") continue;
      const axis = value.shape.indexOf(dim);
      if (axis >= 0) return this.node("Shape", [value.name], { start: axis, end: axis + 1 });
    }
    throw new Error(`No input of the graph has the dimension "${dim}".`);
  }

  #initializer(
    name: string,
    shape: Shape,
    type: keyof typeof elementTypes,
    data: Float32Array | BigInt64Array,
  ): string {
    this.#initializers.set(name, {
      name,
      dims: shape as number[],
      dataType: elementTypes[type],
      rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    });
    return name;
  }

  #push(
    opType: string,
    input: readonly string[],
    output: string,
    attributes: OnnxAttributes,
  ): void {
    const attribute = attributeProtos(attributes);
    this.#nodes.push({ opType, name: `${opType}:${output}`, input, output: [output], attribute });
  }
}

function valueInfo(name: string, shape: Shape): ValueInfoProto {
  const dim = shape.map((size) =>
    typeof size === "number" ? { dimValue: size } : { dimParam: size }
  );
  return { name, type: { tensorType: { elemType: elementTypes.float32, shape: { dim } } } };
}

function attributeProtos(attributes: OnnxAttributes): AttributeProto[] {
  return Object.entries(attributes).map(([name, value]): AttributeProto => {
    if (name === "to") {
      return { name, type: attributeTypes.int, i: elementTypes[value as "int64"] };
    }
    if (typeof value === "number") return { name, type: attributeTypes.int, i: value };
    if (typeof value === "string") {
      return { name, type: attributeTypes.string, s: new TextEncoder().encode(value) };
    }
    return { name, type: attributeTypes.ints, ints: value };
  });
}
