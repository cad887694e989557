import { defineConfig } from "vitest/config";

// Unit tests only: they need no root, no kernel module and no network. test/conformance has a runner of its own.
export default defineConfig({
  test: {
    include: ["test/unit/**/*.test.ts"],
    passWithNoTests: false,
    restoreMocks: true,
  },
});
