/**
 * The packed form of a list (sys/contrib/libnv): nothing is aligned or padded.
 *
 * A list begins with a header of 19 bytes: magic, version, flags, u64 descriptors, u64 size. `size` counts what
 * follows the header up to the end of the whole buffer, in nested lists too. A pair has a header of 19 bytes as
 * well: type, u16 size of the name with its NUL, u64 size of the data, u64 items of an array; then name and data.
 *
 * A nested list is followed by a pair NVLIST_UP, each list of an array by a pair NVLIST_ARRAY_NEXT. The data size
 * of a nested list leaves its NVLIST_UP out; that of an array of lists is 0.
 */

export const MAGIC = 0x6c;

/** Magic, version, flags; where the numbers of a list's header are. */
export const HEADER_BYTES = 19;
export const HEADER_DESCRIPTORS = 3;
export const HEADER_SIZE = 11;

/** Where the fields of a pair's header are. */
export const PAIR_BYTES = 19;
export const PAIR_NAME_SIZE = 1;
export const PAIR_DATA_SIZE = 3;
export const PAIR_ITEMS = 11;

/** A terminator is a pair with an empty name. */
export const TERMINATOR_BYTES = PAIR_BYTES + 1;

/** With the NUL (NV_NAME_MAX). */
export const MOST_NAME_BYTES = 2048;

/** Deeper than any list of the kernel's. */
export const MOST_DEPTH = 16;

export const TYPES = {
  null: 1,
  bool: 2,
  number: 3,
  string: 4,
  nvlist: 5,
  binary: 7,
  bool_array: 8,
  number_array: 9,
  string_array: 10,
  nvlist_array: 11,
} as const;

/** Descriptors are refused: the kernel panics on them. */
export const TYPE_DESCRIPTOR = 6;
export const TYPE_DESCRIPTOR_ARRAY = 12;
export const TYPE_ARRAY_NEXT = 254;
export const TYPE_UP = 255;
