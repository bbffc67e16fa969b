// A transform for asc: exports the handler under the name that the component model gives it, which no TypeScript
// function can have.
import { Transform } from "assemblyscript/transform";

export default class extends Transform {
  afterCompile(module) {
    module.removeExport("handle");
    module.addFunctionExport("assemblyscript/handler/handle", "wasi:http/incoming-handler@0.2.10#handle");
  }
}
