/**
 * Options of `createInterface` and `adoptInterface`.
 */
import type { AdoptInterfaceRequest, BackendRules, CreateInterfaceRequest } from "../backend.ts";
import type { Capabilities } from "../capabilities.ts";
import { invalid, unsupported } from "../errors.ts";
import type { InterfaceMode } from "../model.ts";
import { readSignal } from "./call.ts";
import { pickExtras, readFieldsAndExtras } from "./extras.ts";
import { readBoolean, readChoice, readString } from "./shape.ts";

const MODES: readonly InterfaceMode[] = ["p2p", "multipeer"];
const CREATE_FIELDS = ["mode", "name", "onExisting", "deleteOnClose", "signal"] as const;
const ADOPT_FIELDS = ["role", "mode", "peers", "deleteOnClose", "signal"] as const;

/** An interface name that the platform takes. */
export function validateInterfaceName(name: unknown, rules: BackendRules): string {
  const text = readString(name, "name");
  const problem = text === "" ? "is empty" : rules.interfaceNameProblem(text);
  if (problem !== undefined) throw invalid("name", problem);
  return text;
}

/** Checks `createInterface` options. */
export function validateCreateInterface(
  options: unknown,
  rules: BackendRules,
  capabilities: Capabilities,
): CreateInterfaceRequest {
  const own = rules.extras.createInterface;
  const fields = readFieldsAndExtras(options, CREATE_FIELDS, own);
  const mode = readChoice(fields.mode, "mode", MODES);
  const name = fields.name === undefined ? undefined : validateInterfaceName(fields.name, rules);
  const onExisting =
    fields.onExisting === undefined
      ? "fail"
      : readChoice(fields.onExisting, "onExisting", ["fail", "adopt", "replace"]);
  const deleteOnClose =
    fields.deleteOnClose === undefined ? undefined : readBoolean(fields.deleteOnClose, "deleteOnClose");
  readSignal(fields.signal, "signal");
  if (onExisting !== "fail" && name === undefined) {
    throw invalid("onExisting", `"${onExisting}" needs the name of the interface`);
  }
  if (!capabilities.modes.includes(mode)) throw unsupported("modes", `this driver has no ${mode} mode`);
  return { mode, name, onExisting, deleteOnClose, extras: pickExtras(fields, own) };
}

/** Checks `adoptInterface` arguments. */
export function validateAdoptInterface(
  name: unknown,
  options: unknown,
  rules: BackendRules,
  capabilities: Capabilities,
): AdoptInterfaceRequest {
  const own = rules.extras.adoptInterface;
  const fields = readFieldsAndExtras(options === undefined ? {} : options, ADOPT_FIELDS, own);
  const checkedName = validateInterfaceName(name, rules);
  const role = fields.role === undefined ? "owner" : readChoice(fields.role, "role", ["owner", "observer"]);
  const mode = fields.mode === undefined ? undefined : readChoice(fields.mode, "mode", MODES);
  const peers = fields.peers === undefined ? "keep" : readChoice(fields.peers, "peers", ["keep", "flush"]);
  const deleteOnClose =
    fields.deleteOnClose === undefined ? false : readBoolean(fields.deleteOnClose, "deleteOnClose");
  readSignal(fields.signal, "signal");
  if (role === "observer") {
    if (peers === "flush") throw invalid("peers", "an observer cannot flush them");
    if (deleteOnClose) throw invalid("deleteOnClose", "an observer cannot delete the interface");
    if (!capabilities.observe) throw unsupported("observe", "this driver cannot observe an interface");
  } else if (!capabilities.adoptInterface) {
    throw unsupported("adoptInterface", "this driver cannot take over an interface");
  }
  return { name: checkedName, role, mode, peers, deleteOnClose, extras: pickExtras(fields, own) };
}
