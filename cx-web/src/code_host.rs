//! Runs translated code: modules are compiled and instantiated in the worker, over its own memory and table of functions.

use core::cell::{Cell, RefCell};
use cx_runtime::jit::layout::{Shared, fpu};
use cx_runtime::jit::{CodeError, CodeHost, Jit, Resume, Tuning, arithmetic, trampoline};
use cx_runtime::{ExecEngine, Interp, compute};
use guest_mem::{Access, AddressSpace};
use js_sys::{Object, Reflect, Uint8Array, WebAssembly};
use wasm_bindgen::prelude::*;
use x86_cpu::{CpuState, F80, X87Op};

thread_local! {
    /// What translated code runs in, while it runs.
    static RUNNING: Cell<Option<Running>> = const { Cell::new(None) };
    /// Of what was computed last: see [`fpu::result`].
    static REST: Cell<u32> = const { Cell::new(0) };
}

/// The parameters of [`CodeHost::call`], for what translated code asks for within it.
#[derive(Clone, Copy)]
struct Running {
    mem: *const AddressSpace,
    cpu: *mut CpuState,
    shared: *mut Shared,
    resume: *mut Resume<'static>,
}

/// Where an area is that the TLB does not have: see [`translate`](cx_runtime::jit::translate).
#[unsafe(no_mangle)]
extern "C" fn jit_present(addr: i64, what: u32) -> u32 {
    // SAFETY: only translated code calls this, and `call` holds a reference as long as that runs.
    let mem = RUNNING.get().map(|running| unsafe { &*running.mem });
    let access = if what & 1 == 0 { Access::Read } else { Access::Write };
    mem.and_then(|mem| mem.present(addr as u64, (what >> 1) as usize, access)).map_or(0, |host| host as u32)
}

/// Goes on until a call comes back: see [`translate`](cx_runtime::jit::translate).
#[unsafe(no_mangle)]
extern "C" fn jit_resume(back: i64, depth: i32) -> u32 {
    let Some(running) = RUNNING.get() else { return 1 };
    // SAFETY: only translated code calls this. `call` holds the references that these come from as long as that runs, and
    // neither it nor translated code uses them before this has returned.
    let (cpu, shared, resume) = unsafe { (&mut *running.cpu, &mut *running.shared, &mut *running.resume) };
    resume(cpu, shared, back as u64, depth.max(0) as u32).into()
}

/// Sign and exponent of what was computed last.
#[unsafe(no_mangle)]
extern "C" fn jit_rest() -> u32 {
    REST.get()
}

macro_rules! computations {
    ($($name:ident $op:ident;)*) => {
        $(
            /// Extended precision: see [`arithmetic`].
            #[unsafe(no_mangle)]
            extern "C" fn $name(a: u64, a_se: u32, b: u64, b_se: u32) -> u64 {
                let [a, b] =
                    [(a, a_se), (b, b_se)].map(|(mantissa, se)| F80 { mantissa, sign_exponent: se as u16 });
                let (mantissa, rest) = fpu::result(compute(X87Op::$op, a, b));
                REST.set(rest);
                mantissa
            }
        )*

        /// What is exported for an operation.
        fn export(op: X87Op) -> &'static str {
            match op {
                $(X87Op::$op => stringify!($name),)*
            }
        }
    };
}

computations! {
    jit_add Add;
    jit_subtract Subtract;
    jit_multiply Multiply;
    jit_divide Divide;
    jit_square_root SquareRoot;
    jit_round RoundToInteger;
}

/// Places by which the table grows at least.
const GROWTH: u32 = 256;

/// The worker as a place for translated code.
///
/// Translated functions have a table of their own, and one function in that of the engine calls them: some hosts do work for each
/// place of a table that a module imports.
pub(crate) struct WorkerCode {
    imports: Object,
    table: WebAssembly::Table,
    /// The function that calls the others: its place in the engine's table.
    call: usize,
    /// Places given out, up to here.
    next: Cell<u32>,
    end: Cell<u32>,
    /// Runs of places that were given back.
    free: RefCell<Vec<(u32, u32)>>,
}

impl WorkerCode {
    pub(crate) fn new() -> Result<WorkerCode, JsValue> {
        let set = |object: &Object, name: &str, value: &JsValue| Reflect::set(object, &name.into(), value);
        let kind = Object::new();
        set(&kind, "element", &"anyfunc".into())?;
        set(&kind, "initial", &GROWTH.into())?;
        let table = WebAssembly::Table::new(&kind)?;
        let (own, imports) = (Object::new(), Object::new());
        set(&own, "m", &wasm_bindgen::memory())?;
        set(&own, "t", &table)?;
        let export_of_engine = |name: &str| Reflect::get(&wasm_bindgen::exports(), &name.into());
        set(&own, "f", &export_of_engine("jit_present")?)?;
        set(&own, "n", &export_of_engine("jit_resume")?)?;
        set(&own, "r", &export_of_engine("jit_rest")?)?;
        for op in X87Op::ALL {
            set(&own, op.name(), &export_of_engine(export(op))?)?;
        }
        set(&imports, "e", &own)?;
        let exports_of = |module: &[u8]| -> Result<Object, JsValue> {
            let module = WebAssembly::Module::new(&Uint8Array::from(module))?;
            Ok(WebAssembly::Instance::new(&module, &imports)?.exports())
        };
        let fast = exports_of(&arithmetic())?;
        for op in X87Op::ALL {
            set(&own, op.name(), &Reflect::get(&fast, &op.name().into())?)?;
        }
        let trampoline = exports_of(&trampoline())?;
        let call = Reflect::get(&trampoline, &"call".into())?;
        let engine: WebAssembly::Table = wasm_bindgen::function_table().unchecked_into();
        let place = engine.grow(1)?;
        engine.set(place, call.unchecked_ref())?;
        Ok(WorkerCode {
            imports,
            table,
            call: place as usize,
            next: Cell::new(0),
            end: Cell::new(GROWTH),
            free: RefCell::default(),
        })
    }
}

/// The translator on top of an interpreter.
pub(crate) fn translator(interp: Interp) -> Box<dyn ExecEngine> {
    with(interp, Tuning::default())
}

/// The same, where code is translated after a few arrivals, whatever that costs: for tests.
pub(crate) fn eager_translator(interp: Interp) -> Box<dyn ExecEngine> {
    with(interp, Tuning::eager())
}

fn with(interp: Interp, tuning: Tuning) -> Box<dyn ExecEngine> {
    let features = interp.features();
    match WorkerCode::new() {
        Ok(host) => Box::new(Jit::new(interp, host, features, tuning)),
        // A host that forbids compiling code at run time (a content security policy) still interprets.
        Err(_) => Box::new(interp),
    }
}

impl CodeHost for WorkerCode {
    fn reserve(&self, functions: u32) -> Result<u32, CodeError> {
        let mut free = self.free.borrow_mut();
        if let Some(at) = free.iter().position(|(_, count)| *count >= functions) {
            let (first, count) = free.swap_remove(at);
            if count > functions {
                free.push((first + functions, count - functions));
            }
            return Ok(first);
        }
        let first = self.next.get();
        if first + functions > self.end.get() {
            let by = functions.max(GROWTH).max(self.end.get() / 2);
            self.table.grow(by).map_err(|_| CodeError::Full)?;
            self.end.set(self.end.get() + by);
        }
        self.next.set(first + functions);
        Ok(first)
    }

    fn install(&self, module: &[u8]) -> Result<(), CodeError> {
        let bytes = Uint8Array::from(module);
        let module = WebAssembly::Module::new(&bytes).map_err(|_| CodeError::Refused)?;
        WebAssembly::Instance::new(&module, &self.imports).map_err(|_| CodeError::Full)?;
        Ok(())
    }

    fn address(&self, pointer: usize) -> u32 {
        pointer as u32
    }

    fn call(
        &self,
        slot: u32,
        mem: &AddressSpace,
        cpu: &mut CpuState,
        shared: &mut Shared,
        depth: u32,
        resume: &mut Resume<'_>,
    ) {
        type Function = extern "C" fn(u32, *mut CpuState, u32, i64) -> i64;
        // SAFETY: on this target a function pointer is a place in the table of functions, and at this one `new` has put a function of
        // this type. What those read and write is the state behind `cpu`, the `Shared` behind the
        // other parameter, which is borrowed for as long, the TLB, which is made of cells, and frames of the guest, which no
        // reference points into.
        let function: Function = unsafe { core::mem::transmute(self.call) };
        let (cpu, shared): (*mut CpuState, *mut Shared) = (cpu, shared);
        // SAFETY: but for its lifetime, it is what it was; `RUNNING` has it for as long as this call lasts.
        let resume = unsafe { core::mem::transmute::<*mut Resume<'_>, *mut Resume<'static>>(resume) };
        let outer = RUNNING.replace(Some(Running { mem, cpu, shared, resume }));
        // SAFETY: they come from references that are borrowed for as long as this call lasts.
        let budget = unsafe { (*shared).budget };
        let left = function(slot, cpu, depth, budget);
        // SAFETY: as above.
        unsafe { (*shared).budget = left };
        RUNNING.set(outer);
    }

    fn remove(&self, first: u32, functions: u32) {
        for slot in first..first + functions {
            // The place is one of ours: it cannot be outside.
            let _ = self.table.set_raw(slot, &JsValue::NULL);
        }
        self.free.borrow_mut().push((first, functions));
    }
}
