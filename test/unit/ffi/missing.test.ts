import { describe, expect, it, vi } from "vitest";
import { loadFfi } from "../../../src/ffi/index.ts";

vi.mock("../../../src/ffi/require.ts", () => ({
  requireNative(name: string) {
    throw new Error(`Cannot find module ${name}\nRequire stack: ...`);
  },
}));

describe("a native package that is not there", () => {
  it("is unavailable, with what to do", () => {
    const { platform, arch } = process;
    expect(() => loadFfi()).toThrow(
      expect.objectContaining({
        code: "unavailable",
        message: expect.stringContaining(`@koromix/koffi-${platform}-${arch}`),
        cause: expect.any(Error),
      }),
    );
    expect(() => loadFfi("ffi-rs")).toThrow(
      expect.objectContaining({
        code: "unavailable",
        message: expect.stringContaining("npm install ffi-rs"),
      }),
    );
  });

  it("is not described by more than the first line of the reason", () => {
    expect(() => loadFfi()).not.toThrow(/Require stack/);
  });
});
