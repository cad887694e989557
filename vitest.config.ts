import { defineConfig } from "vitest/config";

// Unit tests only: they need no root, no kernel module and no network. test/conformance has a runner of its own.
export default defineConfig({
  test: {
    include: ["test/unit/**/*.test.ts"],
    passWithNoTests: false,
    restoreMocks: true,
    // Property tests are slow on a machine that is busy with something else; no test asserts a time.
    testTimeout: 60_000,
  },
});
