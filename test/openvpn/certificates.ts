/**
 * Certificates that sign themselves, made for one run: each side knows the others by fingerprint.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../conformance/linux/command.ts";

/** Who somebody is, as PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
  /** SHA-256 over the certificate, as OpenVPN's option `peer-fingerprint` wants it. */
  readonly fingerprint: string;
}

/** Makes an identity with the program openssl; `name` becomes the common name. */
export async function createIdentity(openssl: string, folder: string, name: string): Promise<Identity> {
  const path = (suffix: string) => join(folder, `${name}.${suffix}`);
  writeFileSync(path("cnf"), "[req]\ndistinguished_name=none\n[none]\n");
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", path("key"), "-out", path("crt")];
  const subject = ["-config", path("cnf"), "-subj", `/CN=${name}`, "-days", "2"];
  await run(openssl, ["req", "-x509", ...curve, ...subject, ...files]);
  const certificate = readFileSync(path("crt"), "utf8");
  const key = readFileSync(path("key"), "utf8");
  return { certificate, key, fingerprint: new X509Certificate(certificate).fingerprint256 };
}
