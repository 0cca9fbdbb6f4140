/**
 * The subset of the ONNX file format that the encoder writes, as a protobuf schema with
 * onnx.proto's field numbers.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import protobuf from "protobufjs";

/**
 * ONNX opset of every emitted model: the lowest that has all ops in the forms used, for older
 * runtimes.
 */
export const OPSET_VERSION = 18;
/** Version of the file format that belongs to this opset. */
export const IR_VERSION = 8;

export const elementTypes = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10 } as const;
export const attributeTypes = { int: 2, string: 3, ints: 7 } as const;

export interface TensorProto {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  /** Little-endian elements. */
  readonly rawData: Uint8Array;
}

export interface AttributeProto {
  readonly name: string;
  readonly type: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly ints?: readonly number[];
}

export interface NodeProto {
  readonly opType: string;
  readonly name: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly AttributeProto[];
}

export interface TensorTypeProto {
  readonly tensorType: {
    readonly elemType: number;
    readonly shape?: {
      readonly dim: readonly ({ readonly dimValue: number } | { readonly dimParam: string })[];
    };
  };
}

export interface ValueInfoProto {
  readonly name: string;
  readonly type: TensorTypeProto | {
    readonly sequenceType: { readonly elemType: TensorTypeProto };
  };
}

export interface ModelProto {
  readonly irVersion: number;
  readonly producerName: string;
  readonly opsetImport: readonly { readonly domain: string; readonly version: number }[];
  readonly docString: string;
  readonly graph: {
    readonly name: string;
    readonly node: readonly NodeProto[];
    readonly initializer: readonly TensorProto[];
    readonly input: readonly ValueInfoProto[];
    readonly output: readonly ValueInfoProto[];
  };
}

const one = (type: string, id: number) => ({ type, id });
const many = (type: string, id: number) => ({ rule: "repeated", type, id });

const modelMessage = protobuf.Root.fromJSON({
  nested: {
    Model: {
      fields: {
        irVersion: one("int64", 1),
        producerName: one("string", 2),
        docString: one("string", 6),
        graph: one("Graph", 7),
        opsetImport: many("OperatorSetId", 8),
      },
    },
    OperatorSetId: { fields: { domain: one("string", 1), version: one("int64", 2) } },
    Graph: {
      fields: {
        node: many("Node", 1),
        name: one("string", 2),
        initializer: many("Tensor", 5),
        input: many("ValueInfo", 11),
        output: many("ValueInfo", 12),
      },
    },
    Node: {
      fields: {
        input: many("string", 1),
        output: many("string", 2),
        name: one("string", 3),
        opType: one("string", 4),
        attribute: many("Attribute", 5),
      },
    },
    Attribute: {
      fields: {
        name: one("string", 1),
        i: one("int64", 3),
        s: one("bytes", 4),
        ints: many("int64", 8),
        type: one("int32", 20),
      },
    },
    Tensor: {
      fields: {
        dims: many("int64", 1),
        dataType: one("int32", 2),
        name: one("string", 8),
        rawData: one("bytes", 9),
      },
    },
    ValueInfo: { fields: { name: one("string", 1), type: one("Type", 2) } },
    Type: { fields: { tensorType: one("TensorType", 1), sequenceType: one("SequenceType", 4) } },
    SequenceType: { fields: { elemType: one("Type", 1) } },
    TensorType: { fields: { elemType: one("int32", 1), shape: one("TensorShape", 2) } },
    TensorShape: { fields: { dim: many("Dimension", 1) } },
    Dimension: { fields: { dimValue: one("int64", 1), dimParam: one("string", 2) } },
  },
}).lookupType("Model");

/** The bytes of an ONNX file. */
export function serializeModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  return new Uint8Array(modelMessage.encode(model).finish());
}
