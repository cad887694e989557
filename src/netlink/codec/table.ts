/**
 * Tables that declare a family's attributes, and the object types that follow from them.
 *
 * A key is the attribute's name in camel case; in paths and traces it is written the kernel's way:
 * `remotePort` is `remote-port`.
 */

/** How a payload is written. Integers are in the machine's byte order unless they say otherwise. */
export type Shape =
  | { readonly type: "u8" | "u16" | "u32" | "s32" | "u64" | "s64" }
  /** 4 bytes when the value fits a u32, otherwise 8. */
  | { readonly type: "uint" }
  /** Network byte order, such as a port. */
  | { readonly type: "u16be" }
  /** Written as u32, read as u16 or u32: the kernel's key-swap-ntf sends KEY_ID with two bytes. */
  | { readonly type: "u16or32" }
  /** Addresses in network order: 4 bytes, 16 bytes, either. */
  | { readonly type: "ip4" | "ip6" | "ip" }
  | { readonly type: "string" }
  | { readonly type: "flag" }
  /** `secret` bytes are redacted in every trace. */
  | { readonly type: "bytes"; readonly min: number; readonly max: number; readonly secret?: boolean }
  | { readonly type: "nest"; readonly table: AttributeTable }
  /** A nest whose attributes are numbered elements; the numbers carry no meaning. */
  | { readonly type: "array"; readonly element: Shape }
  /** A nest whose attributes are elements, and the numbers are their keys. */
  | { readonly type: "map"; readonly element: Shape };

/** One attribute of a table. */
export type AttributeSpec = Shape & { readonly number: number };

/** A family's (or a nest's) attributes by name. */
export interface AttributeTable {
  readonly [name: string]: AttributeSpec;
}

/** The value of a payload in JavaScript. */
export type ValueOf<S extends Shape> = S extends { readonly table: infer T extends AttributeTable }
  ? Attributes<T>
  : S extends { readonly type: "array"; readonly element: infer E extends Shape }
    ? readonly ValueOf<E>[]
    : S extends { readonly type: "map"; readonly element: infer E extends Shape }
      ? ReadonlyMap<number, ValueOf<E>>
      : S extends { readonly type: "u64" | "s64" | "uint" }
        ? bigint
        : S extends { readonly type: "ip4" | "ip6" | "ip" | "bytes" }
          ? Uint8Array
          : S extends { readonly type: "string" }
            ? string
            : S extends { readonly type: "flag" }
              ? true
              : number;

const SIZES: { readonly [T in Shape["type"]]?: readonly number[] } = {
  u8: [1],
  u16: [2],
  u32: [4],
  s32: [4],
  u64: [8],
  s64: [8],
  uint: [4, 8],
  u16be: [2],
  u16or32: [2, 4],
  ip4: [4],
  ip6: [16],
  ip: [4, 16],
};

/** What sizes a payload may have: undefined when it is one of them, else a text that lists them. */
export function expectedSizes(shape: Shape, length: number): string | undefined {
  if (shape.type === "bytes") {
    return length >= shape.min && length <= shape.max ? undefined : `${shape.min} to ${shape.max}`;
  }
  const sizes = SIZES[shape.type];
  return sizes === undefined || sizes.includes(length) ? undefined : sizes.join(" or ");
}

/** What a table's attributes look like as an object: each is there or not. */
export type Attributes<T extends AttributeTable> = {
  readonly [K in keyof T]?: ValueOf<T[K]>;
};

/** A table's entry with its names. */
export interface NamedSpec {
  /** The key in the table and in decoded objects. */
  readonly key: string;
  /** The kernel's spelling, for paths. */
  readonly name: string;
  readonly spec: AttributeSpec;
}

const byNumber = new WeakMap<AttributeTable, readonly (NamedSpec | undefined)[]>();

/** The entries of a table by attribute number; made once for each table. */
export function entriesOf(table: AttributeTable): readonly (NamedSpec | undefined)[] {
  let entries = byNumber.get(table);
  if (entries === undefined) {
    const made: (NamedSpec | undefined)[] = [];
    for (const [key, spec] of Object.entries(table)) made[spec.number] = { key, name: wireName(key), spec };
    byNumber.set(table, made);
    entries = made;
  }
  return entries;
}

/** `remoteIpv6ScopeId` as `remote-ipv6-scope-id`. */
export function wireName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** An attribute's path: `peer` and `remote-port` make `peer.remote-port`. */
export function joinPath(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** A shape whose payload is attributes. */
export type ContainerShape = Extract<Shape, { readonly type: "nest" | "array" | "map" }>;

export function isContainer(shape: Shape | undefined): shape is ContainerShape {
  return shape?.type === "nest" || shape?.type === "array" || shape?.type === "map";
}

/** What attribute `number` inside of a container is; undefined when its table does not say. */
export function shapeWithin(parent: ContainerShape, number: number): Shape | undefined {
  return parent.type === "nest" ? entriesOf(parent.table)[number]?.spec : parent.element;
}

/** The path of attribute `number` inside of a container; `#` and the number when its table does not say. */
export function pathWithin(parent: ContainerShape | undefined, number: number, path: string): string {
  if (parent?.type === "array" || parent?.type === "map") return `${path}[${number}]`;
  const entry = parent === undefined ? undefined : entriesOf(parent.table)[number];
  return joinPath(path, entry?.name ?? `#${number}`);
}
