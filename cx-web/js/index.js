// What a page imports.

export { CxError } from "./errors.js";
export {
  CloudDevice,
  DataDevice,
  FileDevice,
  GitHubDevice,
  HttpBytesDevice,
  IDBDevice,
  OverlayDevice,
  WebDevice,
} from "./devices.js";
export { Linux } from "./linux.js";
