import { expect, test } from "vitest";
import { answersIn } from "../../conformance/windows/ping.ts";

test("only answers of the other end count, over IPv4 and IPv6", () => {
  const lines = [
    "Pinging 10.8.0.1 with 32 bytes of data:",
    "Reply from 10.8.0.1: bytes=32 time<1ms TTL=64",
    "Reply from fd00:8::1: time=3ms ",
    "Reply from 10.8.0.2: Destination host unreachable.",
    "Request timed out.",
    "",
    "Approximate round trip times in milli-seconds:",
  ];
  expect(answersIn(lines.join("\r\n"))).toBe(2);
});
