//! Runs translated code: modules are compiled and instantiated in the worker, over its own memory and table of functions.

use cx_runtime::jit::layout::Shared;
use cx_runtime::jit::{CodeError, CodeHost, Jit, Tuning};
use cx_runtime::{ExecEngine, Interp};
use js_sys::{Object, Reflect, Uint8Array, WebAssembly};
use wasm_bindgen::prelude::*;
use x86_cpu::CpuState;

/// Places by which the table grows: growing is work for every module that has imported it.
const GROWTH: u32 = 4096;

/// The worker as a place for translated code.
pub(crate) struct WorkerCode {
    imports: Object,
    table: WebAssembly::Table,
    /// Places given out, up to here.
    next: u32,
    end: u32,
    /// Runs of places that were given back.
    free: Vec<(u32, u32)>,
}

impl WorkerCode {
    pub(crate) fn new() -> WorkerCode {
        let table: WebAssembly::Table = wasm_bindgen::function_table().unchecked_into();
        let own = Object::new();
        let imports = Object::new();
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&own, &"m".into(), &wasm_bindgen::memory());
        let _ = Reflect::set(&own, &"t".into(), &table);
        let _ = Reflect::set(&imports, &"e".into(), &own);
        let end = table.length();
        WorkerCode { imports, table, next: end, end, free: Vec::new() }
    }
}

/// The translator on top of an interpreter.
pub(crate) fn translator(interp: Interp) -> Box<dyn ExecEngine> {
    let features = interp.features();
    Box::new(Jit::new(interp, WorkerCode::new(), features, Tuning::default()))
}

impl CodeHost for WorkerCode {
    fn reserve(&mut self, functions: u32) -> Result<u32, CodeError> {
        if let Some(at) = self.free.iter().position(|(_, count)| *count >= functions) {
            let (first, count) = self.free.swap_remove(at);
            if count > functions {
                self.free.push((first + functions, count - functions));
            }
            return Ok(first);
        }
        if self.next + functions > self.end {
            let by = functions.max(GROWTH);
            self.table.grow(by).map_err(|_| CodeError::Full)?;
            self.end += by;
        }
        let first = self.next;
        self.next += functions;
        Ok(first)
    }

    fn install(&mut self, module: &[u8]) -> Result<(), CodeError> {
        let bytes = Uint8Array::from(module);
        let module = WebAssembly::Module::new(&bytes).map_err(|_| CodeError::Refused)?;
        WebAssembly::Instance::new(&module, &self.imports).map_err(|_| CodeError::Full)?;
        Ok(())
    }

    fn address(&self, pointer: usize) -> u32 {
        pointer as u32
    }

    fn call(&mut self, slot: u32, cpu: &mut CpuState, _shared: &mut Shared, depth: u32) {
        type Function = extern "C" fn(*mut CpuState, u32);
        // SAFETY: on this target a function pointer is a place in the table of functions, and all that the engine calls were put
        // there by `install`, with this type. What they read and write is the state behind `cpu`, the `Shared` behind the
        // other parameter, which is borrowed for as long, the TLB, which is made of cells, and frames of the guest, which no
        // reference points into.
        let function: Function = unsafe { core::mem::transmute(slot as usize) };
        function(cpu, depth);
    }

    fn remove(&mut self, first: u32, functions: u32) {
        for slot in first..first + functions {
            // The place is one of ours: it cannot be outside.
            let _ = self.table.set_raw(slot, &JsValue::NULL);
        }
        self.free.push((first, functions));
    }
}
